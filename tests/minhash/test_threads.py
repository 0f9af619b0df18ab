import threading

import pytest

from instructkit.minhash.threads import in_threads


@pytest.fixture(params=[1, 2, 5])
def threads(request, monkeypatch):
    monkeypatch.setattr("instructkit.minhash.threads.pl.thread_pool_size", lambda: request.param)
    return request.param


def test_results_come_in_the_order_of_the_items(threads):
    assert list(in_threads(lambda n: n * n, range(50))) == [n * n for n in range(50)]
    assert list(in_threads(lambda n: n, [])) == []


def test_few_items_are_under_way_at_a_time(threads):
    taken = []

    def items():
        for n in range(40):
            taken.append(n)
            yield n

    for done, _ in enumerate(in_threads(lambda n: n, items())):
        assert len(taken) - done <= threads + 1


def test_an_error_comes_up_where_its_result_would(threads):
    results = in_threads(lambda n: 1 // (3 - n), range(9))
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_leaving_early_leaves_no_thread(threads):
    before = threading.active_count()
    results = in_threads(lambda n: n, range(1000))
    next(results)
    results.close()
    assert threading.active_count() == before
