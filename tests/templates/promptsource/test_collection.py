import pytest

from instructkit.errors import TemplateFault, UsageFault
from instructkit.templates.library import load_template
from instructkit.templates.promptsource.collection import convert_path, names_of, slug, write_conversions

GOOD = {"jinja": "{{dish}} ||| {{country}}"}


def test_files_are_named_by_dataset_subset_and_template(yaml_folder, tmp_path):
    folder = yaml_folder(
        {
            "tea": [{**GOOD, "name": "Which one?"}, {**GOOD, "name": "which-one"}],
            "tea/green": [{**GOOD, "name": "Which one?"}],
        }
    )
    done = convert_path(folder)
    assert [d.name for d in done] == ["tea/green/which_one", "tea/which_one", "tea/which-one"]
    assert write_conversions(done, tmp_path / "out") == 3
    assert load_template("tea/green/which_one", tmp_path / "out").front.license == "Apache-2.0"


def test_names_that_differ_in_case_only_get_different_files(yaml_folder):
    folder = yaml_folder({"tea": [{**GOOD, "name": name} for name in ("Name", "name", "NAME", "name 2", "?", "!")]})
    names = [d.name for d in convert_path(folder)]
    assert names == ["tea/name", "tea/name_2", "tea/name_3", "tea/name_2_2", "tea/template", "tea/template_2"]


@pytest.mark.parametrize("text", ["../../etc", "/etc/passwd", "..", "a\\b", "C:\\x", "con\0trol", "_hidden", ".dot"])
def test_no_name_leads_out_of_the_folder(text):
    assert not set(slug(text)) & set("/\\:\0")
    assert not slug(text).startswith((".", "_"))


def test_a_dataset_cannot_lead_out_of_the_folder(yaml_folder, original):
    assert names_of([original("x", name="../up")]) == ["kitchen/up"]


def test_a_file_that_says_something_else_is_not_replaced(yaml_folder, tmp_path):
    done = convert_path(yaml_folder({"tea": [GOOD]}))
    out = tmp_path / "out"
    write_conversions(done, out)
    assert write_conversions(done, out) == 1
    (out / "tea/t0.jinja").write_text("mine")
    with pytest.raises(UsageFault, match=r"t0\.jinja exists and says something else"):
        write_conversions(done, out)
    assert (out / "tea/t0.jinja").read_text() == "mine"
    assert write_conversions(done, out, overwrite=True) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset: x\n  bad: [", r"not YAML"),
        ("a: 1\n", "not a file of promptsource's"),
    ],
)
def test_a_file_that_is_none_of_promptsources_is_named_with_its_line(text, message, tmp_path):
    (tmp_path / "templates.yaml").write_text(text)
    with pytest.raises(TemplateFault, match=message):
        convert_path(tmp_path)


def test_a_template_that_cannot_be_read_is_listed_and_the_others_are_converted(tmp_path):
    good = "  c: !Template {name: good, jinja: '{{dish}} ||| {{country}}'}\n"
    bad = "  a: !Template {name: n}\n  b: !!python/object/apply:os.system ['true']\n"
    (tmp_path / "templates.yaml").write_text("dataset: x\ntemplates:\n" + bad + good)
    done = convert_path(tmp_path)
    assert [(d.original.line, d.original.name, d.text is not None) for d in done] == [
        (3, "n", False),
        (4, "b", False),
        (5, "good", True),
    ]
    assert [d.detail for d in done[:2]] == ["the key 'jinja' is missing, or is not text", "expected keys and values"]
    assert {d.reason for d in done[:2]} == {"not a template of promptsource's"}


def test_a_folder_without_yaml_is_a_usage_fault(tmp_path):
    with pytest.raises(UsageFault, match="no YAML file"):
        convert_path(tmp_path)
