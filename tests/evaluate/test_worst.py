from instructkit.evaluate.decode import Decoding
from instructkit.evaluate.losses import measure
from instructkit.evaluate.result import Generation
from instructkit.evaluate.run import Answering, measure_examples
from instructkit.evaluate.subject import Subject
from instructkit.evaluate.worst import worst_losses, worst_replies


def test_the_worst_replies_come_first_whatever_the_scale(runner, chat, examples):
    found = measure_examples(
        Subject(runner, chat, 128, ()),
        examples,
        by=[],
        answering=Answering(total=1, decoding=Decoding(max_new_tokens=1)),
    )
    (one,) = found.evaluation.generations

    def scored(name, **scores) -> Generation:
        return type(one)(**{f: getattr(one, f) for f in one.__struct_fields__} | {"example_id": name, "scores": scores})

    given = [
        scored("a", chrf=40.0),
        scored("b", rougeL=0.5),
        scored("c", exact_match=0.0, rougeL=0.9),
        scored("d", exact_match=0.0, rougeL=0.1),
    ]
    evaluation = type(found.evaluation)(split="test", overall=found.evaluation.overall, slices=[], generations=given)
    assert [w.example_id for w in worst_replies(evaluation, 3)] == ["d", "c", "a"]


def test_the_worst_losses_are_per_token(runner, chat, examples):
    rows = measure(runner, chat, examples, None).rows
    worst = worst_losses(rows, examples, 5)
    means = {row["id"]: row["loss"] / row["weight"] for row in rows.iter_rows(named=True)}
    assert [w.example_id for w in worst] == sorted(means, key=lambda i: (-means[i], i))[:5]
    assert worst[0].expected.startswith("one")
