import itertools
import re

import polars as pl
import pytest
import yaml

from instructkit.chat.format import format_for
from instructkit.evaluate.result import Evaluation, Generation, Score, Slice
from instructkit.hashing import record_hash
from instructkit.models.runner import make_runner
from instructkit.schema import Example, Message, Origin, frame
from instructkit.train.config.adapter import Adapter
from instructkit.train.data.preflight import COUNTED, Preflight
from instructkit.train.save.card import Outcome, model_card
from instructkit.train.save.export import export
from instructkit.train.save.lineage import Lineage


@pytest.fixture
def shards(tmp_path):
    rows = [
        Example(
            id=f"x{i}",
            content_hash=record_hash(str(i)),
            messages=[Message(role="user", content="q"), Message(role="assistant", content="a")],
            source="zoo",
            origin=Origin(file="zoo.jsonl", line=i),
            template="qa/open" if i < 3 else "qa/closed",
            template_hash="h" * 8,
            language="en" if i % 2 else "de",
            group=str(i),
            split="train" if i < 4 else "test",
        )
        for i in range(6)
    ]
    frame(Example, rows).write_parquet(tmp_path / "0.parquet")
    return [tmp_path / "0.parquet"]


@pytest.fixture
def preflight():
    counts = dict.fromkeys(COUNTED, 0) | {
        "rows": 4,
        "trained": 3,
        "tokens": 1200,
        "supervised_tokens": 300,
        "overlong": 1,
    }
    table = pl.DataFrame([{"source": "zoo|one", "template": "qa/open", **counts}])
    empty = pl.DataFrame()
    return Preflight(table=table, dropped=empty, cut=empty, lengths={}, longest=None)


def evaluation(loss, scores=()):
    def part(by, name):
        return Slice(by=by, name=name, examples=2, tokens=10, loss=loss)

    reply = Generation(
        example_id="x5",
        template="qa/open",
        prompt=[Message(role="user", content="Write a fence.")],
        expected="```\ncode\n```",
        reply="no",
        stopped=True,
    )
    return Evaluation(
        split="test",
        overall=part("all", "all"),
        slices=[part("template", "qa/open")],
        generations=[reply],
        scores=[*scores],
        notes=["Greedy"],
    )


@pytest.fixture
def card(small, preflight, shards):
    def made(
        base=None,
        kind="causal",
        adapter_of=None,
        chat=True,
        lineage=None,
        after=1.25,
        notes=("a note",),
        examples=3,
        scores=(),
        **fields,
    ):
        outcome = Outcome(
            kind=kind,
            steps=7,
            examples=examples,
            supervised_tokens=300,
            parameters=1000,
            trained=1000,
            saved_as="bf16",
            adapter_of=adapter_of,
            chat=chat,
            notes=notes,
            before=evaluation(2.5),
            after=None if after is None else evaluation(after, scores),
        )
        return model_card(
            "tuned",
            small(**{"model": "org/base", **fields}),
            outcome,
            lineage=lineage or Lineage(dataset="data-hash"),
            base={"name": "org/base", "commit": "c0ffee"} if base is None else base,
            made_of={"packages": {"torch": "2.13"}},
            key="run-key",
            preflight=preflight,
            shards=shards,
        )

    return made


def front(text):
    return yaml.safe_load(text.split("---")[1])


def test_the_head_is_what_the_hub_reads(card):
    assert front(card()) == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["instructkit"],
        "base_model": "org/base",
        "base_model_relation": "finetune",
        "language": ["de", "en"],
    }
    head = front(card(adapter_of="org/base"))
    assert (head["library_name"], head["base_model_relation"]) == ("peft", "adapter")
    assert "base_model" not in front(card(base={"content": "0123"}))
    assert front(card(kind="classifier"))["pipeline_tag"] == "text-classification"


def test_it_names_everything_that_the_model_is_made_of(card):
    lineage = Lineage(
        dataset="data-hash",
        recipe="zoo",
        recipe_text="recipe: zoo\n",
        lock="lock-hash",
        licenses={"qa/open": "CC0-1.0", "qa/closed": None},
    )
    text = card(lineage=lineage, learning_rate=0.5)
    assert "# zoo: tuned" in text
    for part in ("`data-hash`", "`lock-hash`", "`run-key`", "`c0ffee`", "| torch, version | 2.13 |", "recipe: zoo"):
        assert part in text
    assert "| `qa/open` | `hhhhhhhh` | 3 | CC0-1.0 |" in text
    assert "| `qa/closed` | `hhhhhhhh` | 1 | (not known) |" in text
    assert "- a note" in text
    assert "Weights are saved in bf16." in text


def test_the_settings_are_those_of_the_recipe_and_only_what_is_not_default(card):
    text = card(learning_rate=0.5)
    said = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.S)[1])
    assert said["learning_rate"] == 0.5
    assert said["model"] == "org/base"
    assert "schedule" not in said
    assert '"schedule": "cosine"' in text


def test_settings_inside_settings_are_shown_as_far_as_they_were_said(small, preflight, shards):
    text = model_card(
        "tuned",
        small(model="org/base", adapter=Adapter(rank=4, targets=("q_proj",))),
        Outcome(
            kind="causal",
            steps=1,
            examples=3,
            supervised_tokens=300,
            parameters=1000,
            trained=10,
            saved_as="fp32",
            chat=True,
            notes=[],
            before=None,
            after=None,
        ),
        lineage=Lineage(dataset="d"),
        base=None,
        made_of={},
        key="k",
        preflight=preflight,
        shards=shards,
    )
    said = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.S)[1])
    assert said["adapter"] == {"rank": 4, "targets": ["q_proj"]}
    assert "the adapter has 10" in text
    assert "Not evaluated" in text


def test_losses_stand_before_and_after_and_replies_may_hold_fences(card):
    text = card()
    assert re.search(r"\| qa/open \| 2 \| 10 \| 2\.500 \| 1\.250 \|", text)
    assert "````\n```\ncode\n```\n````" in text


def test_a_training_that_ended_before_all_examples_came_up_says_so(card):
    whole, part = card(), card(examples=2)
    assert "on 3 examples in 7 steps, 300 tokens" in whole
    assert "came up" not in whole
    assert "on 2 of 3 examples in 7 steps, 300 tokens" in part
    assert "Of 3 that could be trained on, 2 came up" in part


def test_a_bar_in_a_name_does_not_break_a_table(card):
    assert "| zoo\\|one | qa/open | 4 | 3 | 1,200 | 300 | 1 |" in card()


def usage(text):
    return re.search(r"```python\n(.*?)```", text, re.S)[1]


def test_an_adapter_is_used_with_its_base(card):
    for base in ("org/base", "build/zoo/trainings/first/model"):
        code = usage(card(adapter_of=base))
        assert f'AutoModelForCausalLM.from_pretrained("{base}")' in code
        assert 'PeftModel.from_pretrained(model, "path/to/this/folder")' in code
    for base in ("models/small.gguf", "package:weights_of_mine/small"):  # transformers knows no such names
        code = usage(card(adapter_of=base))
        assert 'model = load_model("path/to/this/folder")' in code
        assert base not in code


CASES = [
    ("causal", "conversation", True),
    ("causal", "document", True),
    ("seq2seq", "pair", True),
    ("seq2seq", "pair", False),
    ("classifier", "class", True),
    ("classifier", "class", False),
]


@pytest.mark.parametrize(("kind", "reads", "template"), CASES)
def test_the_code_on_the_card_runs_and_writes_what_was_trained(make, card, tmp_path, capsys, kind, reads, template):
    made = make(kind)
    if not template:
        made.chat.tokenizer.chat_template = None
    chat = format_for(made.chat.tokenizer, None, reads, classes=("night", "day", "dawn"), piece_tokens=20)
    export(make_runner(made.model, 20), chat, "", tmp_path / "model", probe=made.documents)
    chats = template and reads != "document"
    code = usage(card(kind=kind, chat=chats))
    known = {}
    exec(code.replace("path/to/this/folder", str(tmp_path / "model")).replace("=200", "=2"), known)
    assert kind != "classifier" or capsys.readouterr().out.strip() in chat.classes
    asked = [{"role": "user", "content": "Your question"}]
    text = chat.render(asked, prompt=True)[0] if chats else "Your text"
    assert chat.tokenizer.decode(known["inputs"]["input_ids"][0]) == text


@pytest.mark.parametrize("after", [None, 1.25])
@pytest.mark.parametrize("notes", [(), ("one", "two")])
@pytest.mark.parametrize("ledger", [False, True])
@pytest.mark.parametrize("text", [None, "recipe: zoo  # {{ not_a_place }}\n"])
def test_its_parts_are_one_empty_line_apart_whichever_there_are(card, after, notes, ledger, text):
    lineage = Lineage(dataset="d", recipe_text=text)
    page = card(after=after, notes=notes, ledger=ledger, lineage=lineage)
    assert text is None or text in page
    outside = re.sub(r"^(`{3,}).*?^\1$", "(code)", page, flags=re.S | re.M)
    assert "\n\n\n" not in outside
    assert outside.endswith("\n")
    assert not outside.endswith("\n\n")
    assert all(before == "" for before, line in itertools.pairwise(outside.split("\n")) if re.match("#|<details", line))


def test_scores_of_replies_stand_in_a_table_of_their_own(card):
    score = Score(by="all", name="all", metric="rouge_l", value=0.25, examples=2, low=0.125, high=0.375)
    assert re.search(
        r"\nReplies on the test split\. Greedy\.\n\n\| template \| metric .*\n.*\n\| all \| rouge_l ",
        card(scores=[score]),
    )
    assert "Replies on the" not in card()


def test_the_same_training_has_the_same_card(card):
    assert card() == card()
