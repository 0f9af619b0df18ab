"""promptsource's way of rendering, in plain Jinja, sharing no code with the import; and files of its form."""

import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
import yaml

from instructkit.templates.promptsource.originals import read_originals
from instructkit.templates.promptsource.rows import made_rows
from instructkit.templates.rendering import Compiled
from instructkit.templates.template import from_sources

ESCAPED = "3ed2dface8203c4c9dfb1a5dc58e41e0"


class _Missing(jinja2.Undefined):
    """A name or place without a value: it prints nothing, counts as false, and tells that it was asked for."""

    times = 0

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        _Missing.times += 1


class _Ways:
    """`random.choice` that takes each way in turn."""

    def __init__(self):
        self.path = []

    def begin(self):
        self.depth = 0

    def choice(self, items):
        items[0]  # as random.choice does for an empty list: IndexError
        if self.depth == len(self.path):
            self.path.append((0, len(items)))
        self.depth += 1
        return items[self.path[self.depth - 1][0]]

    def step(self):
        del self.path[self.depth :]
        while self.path:
            at, size = self.path.pop()
            if at + 1 < size:
                self.path.append((at + 1, size))
                return True
        return False


@jinja2.pass_context  # promptsource compiles for each row; without this, a list of constants is drawn from when it does
def _choice(_context, items):
    return random.choice(items)


def _most_frequent(items):
    if not items:
        return None
    ranked = Counter(items).most_common()
    return [item for item, times in ranked if times == ranked[0][1]]


class Plain:
    """An original as promptsource's `Template.apply(example, truncate=False)` renders it, over all that it may draw.

    After promptsource/templates.py: the row's texts escaped, `answer_choices` rendered from their own Jinja, cut at
    `|||` and stripped, the same for the result.
    """

    def __init__(self, jinja, answer_choices=None):
        env = jinja2.Environment(undefined=_Missing, finalize=self._seen)
        env.globals["zip"] = zip
        env.filters["choice"] = env.filters["random"] = _choice
        env.filters["most_frequent"] = _most_frequent
        self.jinja = env.from_string(jinja)
        self.choices = None if answer_choices is None else env.from_string(answer_choices)

    def _seen(self, value):
        _Missing.times += value is None
        return value

    def _apply(self, row):
        row = {k: v.replace("|||", ESCAPED) if isinstance(v, str) else v for k, v in row.items()}
        choices = None
        if self.choices:
            choices = [c.strip().replace(ESCAPED, "|||") for c in self.choices.render(**row).split("|||")]
        text = self.jinja.render(**row, answer_choices=choices)
        return [part.replace(ESCAPED, "|||").strip() for part in text.split("|||")]

    def all(self, row, monkeypatch, at_most=5000):
        """(pairs, whether some draw gives no whole pair): a pair is a prompt and an answer that both have text."""
        ways, pairs, other = _Ways(), set(), False
        with monkeypatch.context() as patch:
            patch.setattr(random, "choice", ways.choice)
            for _ in range(at_most):
                ways.begin()
                _Missing.times = 0
                try:
                    parts = self._apply(row)
                except Exception:
                    parts = []
                if len(parts) == 2 and all(parts):
                    pairs.add(tuple(parts))
                    other = other or _Missing.times > 0
                else:
                    other = True
                if not ways.step():
                    return pairs, other
        raise AssertionError(f"more than {at_most} ways to draw")


def _verdict(plain, file, row, monkeypatch, seeds=(0, 1, 2)):
    """Says `same`, `dropped` (rightly), or what differs. The equivalence:

    - a pair of the original's that our file gives must be one of those that the original may draw;
    - our file may drop a row only where some draw of the original gives no whole pair (one part, three, an empty one,
      an error), prints None or reads what is not there (`x[5]` of three); or where an input that the file requires is
      missing or empty;
    - blanks before a message's first word that come from the data stay here, and are stripped in the original.
    """
    pairs, other = plain.all(row, monkeypatch)
    compiled = Compiled(file)
    lacks = [k for k, v in file.front.declared().items() if not v.optional and row.get(k) in (None, "", [], {})]
    lacks += [k for k, v in row.items() if isinstance(v, str) and not v.strip()]
    verdict = "dropped"
    for seed in seeds:
        result = compiled.render(row, f"row {seed}", seed)
        if hasattr(result, "rule"):
            if not other and not lacks:
                return f"{result.detail}; the original gives {sorted(pairs)[0]}"
            continue
        roles = [turn.role for turn in result.turns]
        pair = tuple(turn.content.lstrip() for turn in result.turns)
        if roles != ["user", "assistant"] or pair not in pairs:
            return f"{pair} is none of the original's: {sorted(pairs)[:2]}"
        verdict = "same"
    return verdict


@pytest.fixture
def verdict(monkeypatch):
    """`verdict(original, text, row)`: how the converted file does beside plain Jinja on one row."""
    files, plains = {}, {}

    def judge(original, text, row):
        if text not in files:
            files[text] = from_sources("a/b", {"a/b.jinja": text})
        key = (original.jinja, original.answer_choices)
        plains[key] = plains.get(key) or Plain(*key)
        return _verdict(plains[key], files[text], row, monkeypatch)

    return judge


AWKWARD = (
    "plain words", ' "quoted" and \'quoted\'', "two\nlines", "\n\n  led by blank lines", "ends in blanks   ",
    "{{ not a tag }} {% nor this %}", "naïve 漢字 🙂\u2028x", "a | b || c", "---", "0", "- item: #1\t<b>&amp;</b>",
)  # fmt: skip


@pytest.fixture
def rows_of():
    """`rows_of(original)`: rows of plain texts, of awkward ones, and with each column empty in turn."""

    def awkward(place, row):
        return AWKWARD[(sum(map(ord, place)) + row) % len(AWKWARD)]

    def rows_of(original):
        rows = [*made_rows(original, 12), *made_rows(original, 12, awkward)]
        empty = [{**row, k: type(v)()} for row in rows[:3] for k, v in row.items() if isinstance(v, str | list | dict)]
        return rows + empty

    return rows_of


@pytest.fixture
def original(tmp_path):
    """`original(jinja, answer_choices=…, name=…)`: one template, written to a file of promptsource's form and read."""

    def make(jinja, answer_choices=None, **given):
        path = tmp_path / "templates.yaml"
        path.write_text(collection([{"jinja": jinja, "answer_choices": answer_choices, **given}]), encoding="utf-8")
        return read_originals(path, "templates.yaml")[0]

    return make


def collection(templates, dataset="kitchen", subset=None):
    """A file as promptsource writes it: tags on templates and their metadata, keys sorted."""

    class Dumper(yaml.SafeDumper):
        pass

    class Template(dict):
        pass

    class Metadata(dict):
        pass

    for kind, tag in ((Template, "!Template"), (Metadata, "!TemplateMetadata")):
        Dumper.add_representer(kind, lambda dumper, data, tag=tag: dumper.represent_mapping(tag, dict(data)))
    data = {"dataset": dataset, **({"subset": subset} if subset else {}), "templates": {}}
    for number, given in enumerate(templates):
        key = f"00000000-0000-0000-0000-{number:012}"
        metadata = {"choices_in_prompt": False, "languages": ["en"], "metrics": ["Accuracy"], "original_task": True}
        entry = {"answer_choices": None, "name": f"t{number}", "reference": "", **given, "id": key}
        entry["metadata"] = Metadata({**metadata, **entry.pop("metadata", {})})
        data["templates"][key] = Template(entry)
    return yaml.dump(data, Dumper=Dumper, allow_unicode=True)


@pytest.fixture
def yaml_folder(tmp_path):
    """`yaml_folder({"tea/green": [{"name": …, "jinja": …}]})` writes a folder of promptsource's form."""

    def write(corpora):
        for corpus, templates in corpora.items():
            dataset, _, subset = corpus.partition("/")
            path = Path(tmp_path / "originals" / corpus / "templates.yaml")
            path.parent.mkdir(parents=True)
            path.write_text(collection(templates, dataset, subset), encoding="utf-8")
        return tmp_path / "originals"

    return write


@pytest.fixture
def plain():
    """The independent renderer itself, to be tested."""
    return SimpleNamespace(Plain=Plain, verdict=_verdict)
