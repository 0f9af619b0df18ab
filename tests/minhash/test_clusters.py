import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from instructkit.minhash.clusters import Edges, clusters

ROWS = st.integers(0, 30)
EDGES = st.lists(st.tuples(ROWS, ROWS, st.sampled_from([0.7, 0.8, 0.9, 1.0])).filter(lambda e: e[0] != e[1]))


def edges_of(edges):
    left, right, similarity = zip(*edges, strict=True) if edges else ((), (), ())
    return Edges(np.array(left, np.int64), np.array(right, np.int64), np.array(similarity, np.float64))


def brute_force(edges):
    """(row, cluster, nearest, similarity) of each row with an edge."""
    around = {}
    for a, b, similarity in edges:
        around.setdefault(a, []).append((-similarity, b))
        around.setdefault(b, []).append((-similarity, a))
    members = []
    for row in sorted(around):
        seen, ahead = {row}, [row]
        while ahead:
            new = {other for _, other in around[ahead.pop()]} - seen
            seen |= new
            ahead.extend(new)
        similarity, nearest = min(around[row])
        members.append((row, min(seen), nearest, -similarity))
    return members


@pytest.mark.parametrize("kernels", ["kernels", "numpy_kernels"])
@given(edges=EDGES, data=st.data())
def test_clusters_are_what_edges_connect_and_nearest_is_nearest(kernels, edges, data, using):
    with using(kernels):
        members = clusters(edges_of(data.draw(st.permutations(edges))))
    assert list(zip(*(column.tolist() for column in members), strict=True)) == brute_force(edges)


@given(EDGES)
def test_every_cluster_has_exactly_one_first_row(edges):
    members = clusters(edges_of(edges))
    first = members.row[members.row == members.cluster]
    assert sorted(set(members.cluster.tolist())) == first.tolist()


def test_of_equally_near_rows_the_smallest_is_named():
    members = clusters(edges_of([(9, 5, 0.9), (9, 3, 0.9), (9, 1, 0.8)]))
    assert members.nearest[members.row == 9] == [3]


def test_only_edges_at_a_threshold_are_left_at_it():
    edges = edges_of([(0, 1, 0.7), (1, 2, 0.8), (2, 3, 0.9)]).at_least(0.8)
    assert edges.left.tolist() == [1, 2]
    assert edges.similarity.tolist() == [0.8, 0.9]
