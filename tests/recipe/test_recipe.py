import pytest

from instructkit.errors import RecipeFault, TemplateFault, UsageFault
from instructkit.recipe.inputs import missing_inputs
from instructkit.recipe.recipe import load_recipe
from instructkit.schema import Document, Example


@pytest.fixture
def load(project):
    def load(text: str, name: str = "recipes/r.yaml"):
        (project / name).write_text(text)
        return load_recipe(project / name)

    return load


def faults(load, text: str) -> list[str]:
    with pytest.raises(RecipeFault) as caught:
        load(text)
    return [str(fault).partition("recipes/r.yaml:")[2] for fault in caught.value.faults]


def test_a_recipe_is_a_graph_of_typed_steps(project):
    recipe = load_recipe(project / "recipes/notes.yaml")
    assert recipe.root == project
    assert recipe.steps["clean"].upstream == ("one", "two", "three")
    assert recipe.steps["unique"].upstream == ("long",)
    assert recipe.steps["unique"].noun is Document
    assert recipe.steps["pairs"].noun is Example
    assert len(recipe.steps["pairs"].runs) == 2
    assert recipe.steps["two"].stage.source == "two"
    assert recipe.steps["final"].stage.seed == 7
    assert recipe.steps["chat"].noun is None


def test_every_fault_of_a_recipe_is_reported_at_once(load):
    found = faults(
        load,
        """\
sede: 3
steps:
  raw:    {stage: ingest.jsonl, path: data/*.jsonl, txt: body}
  short:  {stage: filter.lenght}
  length: {stage: filter.length, min_words: 0, max_word: 3}
  pairs:  {stage: render, from: rew, templates: [notes/*]}
  more:   {stage: render, from: short, templates: [nots/*]}
train:
  small:  {examples: paris, model: m}
""",
    )
    expected = [
        ("1:1", "unknown key 'sede'; did you mean 'seed'?"),
        ("3:53", "unknown key 'txt'; did you mean 'text'?"),
        ("4:19", "no stage named 'filter.lenght'; did you mean 'filter.length'?"),
        ("5:45", "min_words: expected int >= 1, got '0'"),
        ("5:48", "unknown key 'max_word'; did you mean 'max_words'?"),
        ("6:33", "no step named 'rew'; did you mean 'raw'?"),
        ("7:51", "no template matches 'nots/*'"),
        ("9:11", "no step named 'paris'; did you mean 'pairs'?"),
    ]
    for place, said in expected:
        assert any(fault.startswith(place + ":") and said in fault for fault in found), (place, said, found)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("  a: {stage: clean.text}", "the first step must be an ingest"),
        ("  a: {stage: ingest.jsonl, path: x, text: t, from: b}", "an ingest reads no other step"),
        (
            "  a: {stage: ingest.jsonl, path: x, text: t}\n  b: {stage: export.openai}",
            "reads Example rows, but 'a' gives Document rows",
        ),
        (
            "  a: {stage: ingest.chat, path: x}\n  b: {stage: render, templates: [notes/*]}",
            "reads Document rows, but 'a' gives Example",
        ),
        (
            "  a: {stage: ingest.jsonl, path: x, text: t}\n  b: {stage: ingest.chat, path: y}\n"
            "  c: {stage: split, from: [a, b]}",
            "two kinds of rows",
        ),
        (
            "  a: {stage: ingest.jsonl, path: x, text: t}\n  b: {stage: clean.text, from: c}\n  c: {stage: clean.text}",
            "stands below",
        ),
        ("  a: {stage: ingest.jsonl, path: x, text: t}\n  a: {stage: clean.text}", "key 'a' stands twice"),
        ("  a b: {stage: ingest.jsonl, path: x, text: t}", "a name has letters"),
        ("  a: {path: x}", "key 'stage' is missing"),
        ("  a: ingest.jsonl", "must be a mapping"),
        ("  []", "must be a mapping"),
        (
            "  a: {stage: ingest.chat, path: x}\n  b: {stage: export.openai}\n  c: {stage: split}",
            "'b' is an export; read the step that it reads ('a')",
        ),
    ],
)
def test_steps_that_do_not_fit_together_are_refused(load, steps, said):
    found = faults(load, f"steps:\n{steps}\n")
    assert any(said in fault for fault in found), found


def test_a_training_must_name_a_step_of_examples(load):
    base = "steps:\n  a: {stage: ingest.chat, path: x}\ntrain:\n  t: {examples: %s, model: m}\n"
    assert load(base % "a").trainings["t"].examples == "a"
    assert "no step named 'aa'; did you mean 'a'?" in faults(load, base % "aa")[0]


def test_a_template_at_fault_stops_the_recipe(load, project):
    (project / "templates/notes/title.jinja").write_text(
        "---\nsummary: s\ntask: t\ninputs: [text]\n---\n{% block user %}{{ txt }}{% endblock %}"
    )
    with pytest.raises((RecipeFault, TemplateFault), match=r"title\.jinja:\d+"):
        load("steps:\n  a: {stage: ingest.jsonl, path: x, text: t}\n  b: {stage: render, templates: [notes/*]}\n")


def test_a_column_for_an_input_that_no_template_has_is_named_at_its_key(load):
    render = "  b:\n    stage: render\n    templates: [notes/*]\n    columns: {titel: Head Line}\n"
    assert faults(load, f"steps:\n  a: {{stage: ingest.jsonl, path: x, text: t}}\n{render}") == [
        "6:14: step 'b': columns: no template here has an input 'titel'; did you mean 'title'? (inputs: title, text)"
    ]


def test_a_missing_recipe_lists_those_there_are(project):
    with pytest.raises(UsageFault, match=r"no such recipe.*notes\.yaml"):
        load_recipe(project / "recipes/note.yaml")


def test_inputs_that_are_not_there_are_named_with_step_and_line(load):
    recipe = load(
        "steps:\n"
        "  a: {stage: ingest.jsonl, path: data/one/*.jsonl, text: t}\n"
        "  b: {stage: ingest.jsonl, path: data/nope.jsonl, text: t}\n"
        "  c: {stage: ingest.jsonl, path: [data/two, 'data/*/x*.csv'], text: t}\n"
        "  d: {stage: decontaminate, against: [data/two, {path: eval/nope.jsonl, prompt: q}]}\n"
    )
    found = [(fault.line, fault.message) for fault in missing_inputs(recipe)]
    assert [line for line, _ in found] == [3, 4, 5]
    assert "against: nothing is called 'eval/nope.jsonl' below" in found[2][1]
    assert "step 'b': path: nothing is called 'data/nope.jsonl' below" in found[0][1]
    assert "data/*/x*.csv" in found[1][1]


STEPS = """\
steps:
  raw:   {stage: ingest.jsonl, path: data/*.jsonl, text: body}
  chats: {stage: ingest.chat, path: x}
train:
"""


def test_a_training_starts_from_another_and_runs_behind_it(load):
    recipe = load(
        STEPS
        + "  tuned: {from: base, examples: chats}\n"
        + "  base:  {examples: raw, objective: language-modeling, model: {architecture: gpt2}}\n"
        + "  more:  {from: tuned, examples: chats, learning_rate: 1e-5}\n"
    )
    assert recipe.chain("more") == ["base", "tuned", "more"]
    assert recipe.chain("base") == ["base"]
    assert recipe.trainings["tuned"].model is None


@pytest.mark.parametrize(
    ("trainings", "said"),
    [
        ("a: {examples: raw, model: m}", "gives Document rows; set objective: language-modeling"),
        ("a: {examples: chats}", "name a model, or the training that it starts from"),
        ("a: {examples: chats, model: m, from: b}\n  b: {examples: chats, model: m}", "model and from: both say"),
        (
            "base: {examples: chats, model: m}\n  a: {examples: chats, from: bose}",
            "no training named 'bose'; did you mean",
        ),
        ("a: {examples: chats, from: a}", "leads back to 'a'; let one of them name a model"),
        ("a: {examples: chats, from: b}\n  b: {examples: chats, from: a}", "from: leads back to 'b'"),
        ("a: {examples: chats, model: {architecture: lama}}", "knows no text model 'lama'; did you mean 'llama'?"),
        (
            "a: {examples: chats, model: {architecture: mistral, options: {slidingwindow: 3}}}",
            "'mistral' has no key 'slidingwindow'; did you mean 'sliding_window'?",
        ),
    ],
)
def test_faults_of_what_a_training_starts_from(load, trainings, said):
    assert any(said in fault for fault in faults(load, STEPS + f"  {trainings}\n"))
