"""Drafts load, pass their own tests, and can be rendered on the rows that they came from."""

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.errors import UsageFault
from instructkit.report.data_file import open_data
from instructkit.report.draft.new import new_template, write_draft
from instructkit.stages.render.template import RenderTemplate
from instructkit.templates.cases import run_tests
from instructkit.templates.rendering import Compiled
from instructkit.templates.template import SUFFIX, from_sources
from instructkit.templates.turns import Rendered


@pytest.fixture
def drafted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(records, name="data.jsonl", **options):
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return new_template(open_data(name), **options)

    return make


def loaded(made):
    return from_sources(made.name, {made.name + SUFFIX: made.text})


def rows(count=60, **columns):
    return [{name: make(n) for name, make in columns.items()} for n in range(count)]


def words(n):
    return f"Note {n} says that the harbour was {'quiet' if n % 2 else 'loud'} on day {n}."


def options(n):
    return [f"choice {n}", f"answer {n}"]


SHAPES = {
    "labels": {"Review Text": words, "Sentiment": lambda n: ["good", "bad"][n % 2]},
    "numbers": {"text": words, "label": lambda n: n % 3},
    "truth": {"text": words, "is_loud": lambda n: n % 2 == 0},
    "option texts": {"question": words, "options": options, "answer": lambda n: f"answer {n}"},
    "option letters": {"question": words, "choices": options, "answer": lambda n: "AB"[n % 2]},
    "option numbers": {"question": words, "choices": options, "answer": lambda n: n % 2},
    "nested": {"question": words, "answers": lambda n: {"text": [words(n + 1)], "start": [n]}},
    "gaps": {"context": lambda n: words(n) if n % 3 else None, "question": words, "answer": lambda n: f"day {n}"},
    "inner gaps": {
        "instruction": words,
        "cases": lambda n: [{"output": words(n), **({"input": "x"} if n % 2 else {})}],
    },
    "languages": {"translation": lambda n: {"de": words(n), "en": words(n + 1)}},
    "Chinese": {"问题": lambda n: f"第{n}天怎么样？", "答案": lambda n: f"很安静，第{n}天。"},
    "own names": {"source": words, "target": words, "language": lambda n: "en"},
    "reserved": {"Loop": words, "self": lambda n: words(n + 1)},
    "odd names": {
        "Hotel.Name": lambda n: f"Hotel {n}",
        'Care "Notes"': words,
        "ｆull": words,
        "id": words,
        "答案": words,
    },
    "odd roots": {"my question": words, "my answers": lambda n: [{"text": words(n + 1)}]},
    "short gaps": {
        "Name": lambda n: f"Name {n}",
        "Size": lambda n: "large" if n % 3 else None,
        "Care Notes": words,
        "Light": lambda n: "low" if n % 2 else None,
        "answer": lambda n: f"It is {n}.",
    },
    "one": {"text": lambda n: f"Heading {n}\n{words(n)}"},
    "markup": {"Say {{ this }} {% if %}": words, "answer": lambda n: f"{{{{ {n} }}}} {{% raw %}} {{# #}}\n---"},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_draft_passes_its_own_tests_and_renders_the_rows(drafted, shape):
    records = rows(**SHAPES[shape])
    made = drafted(records)
    template = loaded(made)
    results = run_tests(template)
    assert [result.difference for result in results] == ["", ""]
    stage = RenderTemplate(
        template=template.name, template_hash="h", sources=template.sources, columns=made.inputs.columns
    )
    for documents in made.data.documents(made.inputs.text):
        outcome = stage.apply(documents.kept)
        assert outcome.kept.height == len(records), (outcome.dropped, made.text)


def test_the_head_says_what_was_guessed_and_how_a_recipe_reads_the_file(drafted):
    text = drafted(rows(**SHAPES["labels"])).text
    assert "#   Sentiment: the answer (label, by its name): 2 different values (good 30, bad 30)" in text
    assert "#     rows: {stage: ingest.jsonl, path: data.jsonl, text: Review Text}\n" in text
    assert "#     rendered: {stage: render, templates: [classification/data]}\n" in text
    assert 'name: "data.jsonl:' in text


def test_missing_parts_of_the_prompt_are_optional_and_missing_answers_are_not(drafted):
    made = drafted(
        rows(question=words, answer=lambda n: "yes, it is" if n % 4 else None, hint=lambda n: "h i" if n % 3 else "")
    )
    declared = loaded(made).front.declared()
    assert (declared["hint"].required, declared["answer"].required) == (False, True)
    assert "missing in 33% of the rows" in made.text


def test_columns_of_any_script_are_inputs(drafted):
    made = drafted(rows(**SHAPES["Chinese"]))
    assert made.inputs.names == {"问题": "text", "答案": "答案"}
    assert made.inputs.columns == {}
    assert loaded(made).front.languages == ["zh"]


def test_other_columns_get_a_name_and_the_recipe_and_preview_lines_say_which(drafted):
    shape = {"Plant name": words, "Care Notes": words, "care_notes": words, "source": words, "The answer": words}
    made = drafted(rows(**shape))
    assert made.inputs.columns == {
        "care_notes_2": "Care Notes", "source_field": "fields.source", "the_answer": "The answer",
    }  # fmt: skip
    assert (
        "#     rendered: {stage: render, templates: [reading_comprehension/data], columns: {care_notes_2: Care Notes, "
        "source_field: fields.source, the_answer: The answer}}\n"
    ) in made.text
    assert (
        "#     instructkit templates preview reading_comprehension/data --rows data.jsonl --text 'Plant name' "
        "--column 'care_notes_2=Care Notes' --column source_field=fields.source --column 'the_answer=The answer'\n"
    ) in made.text
    assert "Care Notes:" in made.text


PLANTS = {
    "Name": lambda n: f"Plant {n}",
    "Light": lambda n: ["low", "bright"][n % 2],
    "Care Notes": words,
    "Toxic to pets": lambda n: ["yes", "no"][n // 2 % 2],
}


def test_short_fields_stand_on_lines_one_below_another(drafted):
    made = drafted(rows(**PLANTS))
    asked = loaded(made).front.wordings()["plain"]
    assert asked == ("Name: {{ text }}\nLight: {{ Light }}\nToxic to pets: {{ toxic_to_pets }}\n\nGive the care notes.")


def test_another_answer_may_be_asked_for(drafted):
    assert "--answer COLUMN" in drafted(rows(**PLANTS)).text
    made = drafted(rows(**PLANTS), answer="Toxic to pets")
    assert loaded(made).front.choices == ["no", "yes"]
    assert "--answer COLUMN" not in made.text
    with pytest.raises(UsageFault, match="no column 'Toxic to pet' to be the answer; did you mean 'Toxic to pets'"):
        drafted(rows(**PLANTS), answer="Toxic to pet")


@pytest.mark.parametrize("given", range(8))
def test_parts_that_are_missing_leave_no_blank_lines(drafted, given):
    parts = {"Size": lambda n: "large", "Care Notes": words, "Light": lambda n: "low"}
    gaps = {name: lambda n, make=make: make(n) if n % 3 else None for name, make in parts.items()}
    template = loaded(drafted(rows(**gaps, Name=lambda n: f"Name {n}", question=lambda n: f"Is {n}?", answer=words)))
    names = [name for i, name in enumerate(["Size", "care_notes", "Light"]) if given >> i & 1]
    values = {"text": "t", "Name": "n", "question": "q", "answer": "a", **dict.fromkeys(names, "x")}
    for phrasing in template.front.wordings():
        made = Compiled(template).render(values, "id", 0, phrasing)
        assert isinstance(made, Rendered), made
        assert "\n\n\n" not in made.turns[0].content
        assert made.turns[0].content.count("x\n") + made.turns[0].content.endswith("x") == len(names)


def test_tests_are_of_rows_with_different_answers(drafted):
    tests = loaded(drafted(rows(**SHAPES["labels"]))).front.tests
    assert {test.given["Sentiment"] for test in tests} == {"good", "bad"}
    assert {test.phrasing for test in tests} == {"plain", "choose"}


def test_long_rows_are_shortened_in_tests_and_it_is_said(drafted):
    made = drafted(rows(article=lambda n: words(n) * 100, summary=words))
    (first, _) = loaded(made).front.tests
    assert first.name.endswith(", shortened")
    assert len(first.given["text"]) <= 400


@pytest.mark.parametrize(
    "record",
    [
        {"instruction": "Say it.", "input": "", "output": "It."},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]},
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]},
        {"prompt": "Hi", "completion": "Ho"},
    ],
)
def test_conversations_need_no_template_and_ingest_chat_is_named(drafted, record):
    with pytest.raises(
        UsageFault, match=r"holds conversations already(.|\n)*stage: ingest.chat, path: data.jsonl(.|\n)*--anyway"
    ):
        drafted([record] * 20)


def test_conversations_are_drafted_for_when_asked_to(drafted):
    made = drafted(rows(instruction=words, output=words), conversations=True)
    assert made.name == "instruction/data"


def test_files_without_records_are_refused(drafted):
    with pytest.raises(UsageFault, match="no records in it"):
        drafted([])


def test_nothing_is_overwritten(drafted, tmp_path):
    made = drafted(rows(**SHAPES["one"]))
    path = write_draft(made, tmp_path / "templates")
    path.write_text("mine")
    with pytest.raises(UsageFault, match="is there already and is not overwritten"):
        write_draft(made, tmp_path / "templates")
    assert path.read_text() == "mine"


VALUE = st.one_of(
    st.none(),
    st.integers(-3, 3),
    st.booleans(),
    st.text(st.sampled_from("ab {}%#\"'\\:|-\n\t你好。\u2028"), max_size=12),
    st.lists(st.sampled_from(["a", "b c"]), max_size=2),
)
NAME = st.text(st.sampled_from(string.ascii_letters + " ._-{%\"'你1"), min_size=1, max_size=6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(NAME | st.sampled_from(["text", "answer", "label", "choices"]), VALUE, max_size=4), max_size=8
    )
)
def test_whatever_the_data_is_a_draft_loads_and_passes_or_the_data_is_refused(drafted, records):
    try:
        made = drafted(records)
    except UsageFault:
        return
    assert all(result.passed for result in run_tests(loaded(made)))


def exam(n):
    return {"": str(n), "Question": words(n), **{c: f"day {n}{c}" for c in "ABCD"}, "Answer": "ABCD"[n % 4]}


def test_options_in_columns_of_their_own_become_a_multiple_choice(drafted):
    made = drafted([{**exam(n), "explanation": f"It is {words(n)}"} for n in range(40)])
    template = loaded(made)
    assert template.front.task == "multiple_choice"
    given = {"text": words(2), **exam(2)}
    result = Compiled(template).render(given, "x", 0, "plain", "letters")
    assert isinstance(result, Rendered), result
    asked, answered = (turn.content for turn in result.turns)
    assert "day 2A" in asked
    assert "It is" not in asked
    assert (answered, len(template.front.tests)) == ("C. day 2C", 2)


def test_letters_that_leave_a_gap_or_no_answer_by_letter_are_no_options(drafted):
    gap = [{name: value for name, value in exam(n).items() if name != "B"} for n in range(40)]
    assert "listed_options" not in drafted(gap).text
    other = [{**exam(n), "Answer": f"day {n}A"} for n in range(40)]
    assert "listed_options" not in drafted(other).text
