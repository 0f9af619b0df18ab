import json

import msgspec
import pytest

from instructkit.errors import TemplateFault
from instructkit.hashing import canonical_json
from instructkit.schema import Document, Origin, frame
from instructkit.stages.contract import CorpusStage, ShardStage
from instructkit.stages.render.few_shot import RenderFewShot
from instructkit.stages.render.render import Render
from instructkit.stages.render.template import RenderTemplate

HEAD = "---\nsummary: s\ntask: qa\ninputs: [text, answer]\n"
BODY = "---\n{% block user %}{{ text }}{% endblock %}\n{% block assistant %}{{ answer }}{% endblock %}\n"
SOURCE = HEAD + BODY
ASKED = (
    HEAD + "phrasings: {plain: 'So, {{ text }}', terse: '{{ text }}?'}\n" + BODY.replace("{{ text }}", "{{ phrasing }}")
)
DOCUMENT = Document(
    id="d", source="s", origin=Origin(file="f"), text="Why", fields=canonical_json({"answer": "a"}), group="g"
)


@pytest.fixture
def project(tmp_path):
    """A project with templates by name."""

    def write(**templates):
        (tmp_path / "templates/qa").mkdir(parents=True, exist_ok=True)
        for name, text in templates.items():
            (tmp_path / f"templates/qa/{name}.jinja").write_text(text)
        return tmp_path

    return write


def test_a_stage_survives_json_and_is_keyed_by_text_not_place(tmp_path):
    outcomes = []
    for name in ("one", "two"):
        folder = tmp_path / name / "templates/qa"
        folder.mkdir(parents=True)
        (folder / "open.jinja").write_text(SOURCE)
        (unfolded,) = Render(templates=["qa/*"], seed=3).unfold(tmp_path / name)
        assert isinstance(unfolded, ShardStage)
        outcomes.append(msgspec.to_builtins(unfolded))
    assert outcomes[0] == outcomes[1]
    again = msgspec.convert(json.loads(json.dumps(outcomes[0])), RenderTemplate)
    assert again == unfolded
    assert again.apply(frame(Document, [DOCUMENT])).kept.height == 1


def test_a_recipe_step_unfolds_into_a_stage_for_each_template(tmp_path):
    stages = Render(templates=["python/explain_function", "python/*"]).unfold(tmp_path)
    assert stages[0].template == "python/explain_function"
    assert len({stage.template for stage in stages}) == len(stages) > 5


def test_faulty_templates_and_unknown_names_stop_before_any_work(project):
    root = project(open=SOURCE.replace("{{ answer }}", "{{ answr }}"))
    with pytest.raises(TemplateFault, match="3 problems") as fault:
        Render(templates=["qa/open", "qa/opn"]).unfold(root)
    assert "did you mean 'answer'?" in str(fault.value)
    assert "no template matches 'qa/opn'" in str(fault.value)
    assert Render(templates=[]).faults()


def test_all_wordings_are_a_stage_each_and_stand_in_ids_and_variants(project):
    root = project(asked=ASKED, plain=SOURCE)
    stages = Render(templates=["qa/*"], phrasings="all").unfold(root)
    assert [(s.template, s.phrasing) for s in stages] == [
        ("qa/asked", "plain"),
        ("qa/asked", "terse"),
        ("qa/plain", None),
    ]
    made = [s.apply(frame(Document, [DOCUMENT])).kept.row(0, named=True) for s in stages]
    assert [m["id"] for m in made] == ["d/qa/asked@plain", "d/qa/asked@terse", "d/qa/plain"]
    assert [m["variant"] for m in made] == ["phrasing=plain", "phrasing=terse", None]
    assert [m["template"] for m in made] == ["qa/asked", "qa/asked", "qa/plain"]
    assert [m["messages"][0]["content"] for m in made] == ["So, Why", "Why?", "Why"]


def test_a_drop_of_one_of_all_wordings_names_it(project):
    stages = Render(templates=["qa/*"], phrasings="all").unfold(project(asked=ASKED))
    shard = frame(Document, [msgspec.structs.replace(DOCUMENT, fields="{}")])
    dropped = [s.apply(shard).dropped.row(0, named=True) for s in stages]
    assert [drop["template"] for drop in dropped] == ["qa/asked", "qa/asked"]
    assert [drop["detail"] for drop in dropped] == [
        f"phrasing {name}: the template needs 'answer', which is missing or empty" for name in ("plain", "terse")
    ]


def test_drawn_wordings_leave_ids_as_they_are(project):
    (stage,) = Render(templates=["qa/*"]).unfold(project(asked=ASKED))
    made = stage.apply(frame(Document, [DOCUMENT])).kept.row(0, named=True)
    assert made["id"] == "d/qa/asked"
    assert made["variant"] in ("phrasing=plain", "phrasing=terse")


@pytest.mark.parametrize("shots", [0, [0], [0, 0]])
def test_no_shots_are_a_shard_stage(project, shots):
    (stage,) = Render(templates=["qa/*"], shots=shots).unfold(project(open=SOURCE))
    assert isinstance(stage, RenderTemplate)


@pytest.mark.parametrize(("shots", "listed"), [(2, [2]), ([0, 3], [0, 3])])
def test_shots_are_a_corpus_stage_that_survives_json(project, shots, listed):
    (stage,) = Render(templates=["qa/*"], shots=shots, exemplars="text", separator="|", pool=7, seed=3).unfold(
        project(open=SOURCE)
    )
    assert isinstance(stage, CorpusStage)
    assert (stage.shots, stage.exemplars, stage.separator, stage.pool, stage.seed) == (listed, "text", "|", 7, 3)
    assert msgspec.json.decode(msgspec.json.encode(stage), type=RenderFewShot) == stage


def test_shots_and_all_wordings_go_together(project):
    stages = Render(templates=["qa/*"], shots=1, phrasings="all").unfold(project(asked=ASKED))
    assert [(type(s).__name__, s.phrasing) for s in stages] == [("RenderFewShot", "plain"), ("RenderFewShot", "terse")]


def test_more_shots_than_the_pool_holds_are_a_fault():
    assert Render(templates=["a"], shots=[0, 9], pool=8).faults() == [
        "shots: 9 exemplars from a pool of 8; raise pool, or lower shots"
    ]
    assert Render(templates=["a"], shots=[]).faults()
    assert not Render(templates=["a"], shots=8, pool=8).faults()


def test_templates_that_exemplars_cannot_be_shown_with_are_named(project):
    answer = "{% block assistant %}{{ answer }}{{ text }}{% endblock %}"
    longer = BODY + "{% block user_2 %}And?{% endblock %}{% block assistant_2 %}That.{% endblock %}"
    root = project(mute=f"{HEAD}---\n{answer}", longer=HEAD + longer, open=SOURCE)
    with pytest.raises(TemplateFault, match="'qa/mute' with shots: it has no user block"):
        Render(templates=["qa/*"], shots=1).unfold(root)
    assert len(Render(templates=["qa/longer", "qa/open"], shots=1).unfold(root)) == 2
    with pytest.raises(TemplateFault, match="'user_2' is more than one question and answer; use exemplars: turns"):
        Render(templates=["qa/longer", "qa/open"], shots=1, exemplars="text").unfold(root)
    assert len(Render(templates=["qa/*"], exemplars="text").unfold(root)) == 3


def test_columns_go_to_the_templates_that_have_the_input(project):
    other = SOURCE.replace("answer", "reply")
    root = project(open=SOURCE, other=other)
    step = Render(templates=["qa/*"], columns={"answer": "Best Answer", "reply": "reply", "text": "body"})
    assert [s.columns for s in step.unfold(root)] == [{"answer": "Best Answer", "text": "body"}, {"text": "body"}]
    few = Render(templates=["qa/open"], columns={"answer": "Best Answer"}, shots=1).unfold(root)
    assert [s.columns for s in few] == [{"answer": "Best Answer"}]


def test_a_column_for_an_input_that_no_template_has_is_a_fault(project):
    step = Render(templates=["qa/*"], columns={"anser": "Best Answer", "text": "a"})
    with pytest.raises(TemplateFault, match=r"an input 'anser'; did you mean 'answer'\? \(inputs: text, answer\)"):
        step.unfold(project(open=SOURCE))
    assert Render(templates=["qa/*"], columns={"answer": ""}).faults() == ["columns: 'answer' is given no column"]


def test_a_drop_names_the_input_and_the_column(project):
    (stage,) = Render(templates=["qa/*"], columns={"answer": "Best Answer"}).unfold(project(open=SOURCE))
    good = msgspec.structs.replace(DOCUMENT, fields='{"Best Answer":"b"}')
    kept, dropped = stage.apply(frame(Document, [good, msgspec.structs.replace(DOCUMENT, id="e")]))
    assert kept["messages"][0][1]["content"] == "b"
    assert dropped.select("id", "rule", "value", "detail").rows() == [
        (
            "e", "missing_input", "answer",
            "the template needs 'answer', which is missing or empty; it is read from the column 'Best Answer'",
        )
    ]  # fmt: skip


def test_a_template_that_a_model_is_to_answer_has_no_exemplars(project):
    root = project(ask=HEAD + "answer: model\n---\n{% block user %}{{ text }} {{ answer }}{% endblock %}\n")
    with pytest.raises(TemplateFault, match=r"'qa/ask' with shots: a template that a model is to answer .* take shots"):
        Render(templates=["qa/*"], shots=[0, 1]).unfold(root)
    assert len(Render(templates=["qa/*"]).unfold(root)) == 1
