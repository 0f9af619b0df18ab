import msgspec
import yaml

from instructkit.build.card import dataset_card
from instructkit.build.split_files import FileInfo

FILES = [
    FileInfo(name="data/train-00000-of-00001.parquet", split="train", rows=1200, size_bytes=34567, digest="ab" * 16),
    FileInfo(name="data/test-00000-of-00001.parquet", split="test", rows=30, size_bytes=456, digest="cd" * 16),
]


def card(**changes):
    known = {
        "name": "demo",
        "files": FILES,
        "counts": {"task": {"qa": 1000, "": 230}, "template": {"qa/a|b": 1230}},
        "drops": {("english", "language"): 12, ("short", "min_words"): 3},
        "recipe": "recipe: demo\n",
        "lock_digest": "ef" * 16,
        "licenses": {"qa/a": "CC0-1.0"},
        "languages": ["zh", "en", "en"],
    }
    return dataset_card(**{**known, **changes})


def head(text):
    return yaml.safe_load(text.split("---\n")[1])


def test_front_matter_says_what_the_hub_wants_to_know():
    assert head(card()) == {
        "pretty_name": "demo",
        "language": ["en", "zh"],
        "size_categories": ["1K<n<10K"],
        "configs": [
            {
                "config_name": "default",
                "version": head(card())["configs"][0]["version"],
                "data_files": [{"split": file.split, "path": file.name} for file in FILES],
            }
        ],
    }


def test_the_licence_of_the_data_is_not_guessed_from_the_templates():
    text = card(licenses={"a": "MIT", "b": "CC0-1.0"})
    assert "license" not in head(text)
    assert "| a | MIT |" in text


def test_other_content_is_another_version_so_that_readers_do_not_serve_old_rows():
    other = [msgspec.structs.replace(FILES[0], digest="0" * 32), *FILES[1:]]
    versions = {head(card(files=files))["configs"][0]["version"] for files in (FILES, other)}
    assert len(versions) == 2


def test_counts_drops_and_recipe_are_told():
    text = card()
    for line in (
        "| qa | 1,000 |",
        "| (not known) | 230 |",
        "| qa/a\\|b | 1,230 |",
        "| english | language | 12 |",
        "```yaml\nrecipe: demo\n```",
        "ef" * 16,
    ):
        assert line in text


def test_the_order_of_what_is_given_does_not_show():
    turned = {("short", "min_words"): 3, ("english", "language"): 12}
    assert (
        card(drops=turned, languages=["en", "zh"], counts={"template": {"qa/a|b": 1230}, "task": {"": 230, "qa": 1000}})
        == card()
    )


def test_a_recipe_with_backticks_stays_in_its_fence():
    assert "````yaml\na: '```'\n````" in card(recipe="a: '```'")
