"""One template, loaded and checked: its front matter, its turns, and the text of everything that it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import TemplateError

from instructkit.errors import Fault, TemplateFault, did_you_mean
from instructkit.hashing import bytes_digest, canonical_json
from instructkit.templates.check import Body, check_body, role_of
from instructkit.templates.environment import Sandbox
from instructkit.templates.frontmatter import FrontMatter
from instructkit.templates.head import Head, read_head
from instructkit.templates.options import ANY_LANGUAGE, FORMATS
from instructkit.text.conversation import default_weight

SUFFIX = ".jinja"
MAX_SOURCE_CHARACTERS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Template:
    """A template that has no fault."""

    name: str
    """`python/explain_function`: its path in a template folder, without the suffix."""
    front: FrontMatter
    turns: tuple[str, ...]
    """Block names in order: the turns."""
    blocks_only: bool
    """Nothing but blocks at the top level."""
    stateful_imports: tuple[str, ...]
    """Imported files whose variables could remember a row; they are run anew for each."""
    formats: tuple[str, ...]
    """Formats of answer options that are drawn from."""
    sources: dict[str, str]
    """Text of the template file and of everything it imports, by name inside the template folder."""
    path: Path | None = None
    """Where it was read from; None when it came as text."""

    @property
    def file(self) -> str:
        """Name of its own file in `sources`."""
        return self.name + SUFFIX

    @property
    def hash(self) -> str:
        """Content hash over the template and everything it imports: names and texts."""
        return sources_hash(self.sources)


def sources_hash(sources: dict[str, str]) -> str:
    """Content hash of named texts, whatever their order."""
    return bytes_digest(canonical_json(sorted(sources.items())).encode())


def read_source(path: Path, shown: str) -> str:
    """Text of a template file; line ends become plain newlines. Raises TemplateFault where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise TemplateFault([Fault(shown, line, 0, "not UTF-8 text; save it as UTF-8")]) from None


def from_sources(name: str, sources: dict[str, str]) -> Template:
    """The template of that name from texts alone, as a worker process gets it. Raises TemplateFault."""
    return build(name, sources, {key: key for key in sources})


def build(name: str, sources: dict[str, str], shown: dict[str, str], path: Path | None = None) -> Template:
    """Check a template and what it imports. `shown` says how each source is called in a fault. Raises TemplateFault."""
    file = name + SUFFIX
    long = [key for key, text in sources.items() if len(text) > MAX_SOURCE_CHARACTERS]
    if long:
        message = f"more than {MAX_SOURCE_CHARACTERS:,} characters; what is so long belongs into the documents"
        raise TemplateFault([Fault(shown[key], 1, 0, message) for key in long])
    head = read_head(sources[file], shown[file])
    if head.front is None and not head.positions:
        raise TemplateFault(head.faults)  # nothing in it has been read: further faults would only be noise
    body = check_body(sources[file], file, shown[file], head)
    faults = [*head.faults, *body.faults, *_front_faults(head, body, shown[file])]
    bodies = {key: body if key == file else check_body(sources[key], key, shown[key], macros=True) for key in sources}
    for key, imported in bodies.items():
        if key != file:
            faults += imported.faults
        for origin, taken, line in imported.taken:
            if origin in bodies and taken not in bodies[origin].defined:
                message = f"'{origin}' defines no '{taken}'{did_you_mean(taken, bodies[origin].defined)}"
                faults.append(Fault(shown[key], line, 0, message))
    faults += _cycles(file, bodies, shown)
    formats, differing = _formats(bodies, shown)
    faults += differing
    for i, case in enumerate(head.front.tests if head.front else ()):
        if case.options in FORMATS and case.options not in formats:
            message = f"test names options '{case.options}', which the template never draws; it draws from: "
            faults.append(Fault(shown[file], *head.place("tests", i, "options"), message + ", ".join(formats)))
    if not faults:
        faults = _compile_faults(head, file, sources, shown)
    if faults or head.front is None:
        raise TemplateFault(faults)
    return Template(
        name=name,
        front=head.front,
        turns=tuple(body.turns),
        blocks_only=body.blocks_only,
        stateful_imports=tuple(key for key, found in bodies.items() if key != file and not found.stateless),
        formats=formats,
        sources=sources,
        path=path,
    )


def _front_faults(head: Head, body: Body, file: str) -> list[Fault]:
    """What the front matter says of a body that does not have it; each at the place in the front matter."""
    front, faults = head.front, []
    if front is None or not body.turns:
        return []

    def fault(message: str, *path: str | int) -> None:
        faults.append(Fault(file, *head.place(*path), message))

    for name in body.unused:
        step = name if isinstance(front.inputs, dict) else front.inputs.index(name)
        fault(f"input '{name}' is never used; use it or remove it", "inputs", step)
    answer_names = body.answer_names | ({str(front.choices)} if "choices" in body.answer_names else set())
    for i, name in enumerate(front.targets):
        if name in front.declared() and name not in answer_names:
            fault(f"targets: no assistant block uses '{name}'", "targets", i)
    for name in front.weights:
        if name not in body.turns:
            listed = ", ".join(body.turns)
            fault(f"weights: no block '{name}'; there are: {listed}{did_you_mean(name, body.turns)}", "weights", name)
    trained = [front.weights.get(turn, default_weight(role_of(turn))) for turn in body.turns]
    if front.weights and front.answer == "data" and not any(trained):
        fault("weights: no turn is trained on; leave one assistant block its weight", "weights")
    return faults


def _formats(bodies: dict[str, Body], shown: dict[str, str]) -> tuple[tuple[str, ...], list[Fault]]:
    """The formats that a row draws from; there is one draw for all turns, so all places must name the same."""
    named = [(shown[key], line, names) for key, body in bodies.items() for names, line in body.formats if names]
    first = set(named[0][2]) if named else set(ANY_LANGUAGE)
    faults = [
        Fault(
            file, line, 0, f"options: the row's one draw is from {', '.join(sorted(first))}; name the same everywhere"
        )
        for file, line, names in named
        if set(names) != first
    ]
    return tuple(name for name in FORMATS if name in first), faults


def _cycles(file: str, bodies: dict[str, Body], shown: dict[str, str]) -> list[Fault]:
    found: list[Fault] = []
    done: set[str] = set()

    def visit(key: str, above: Sequence[str]) -> None:
        for imported, line in bodies[key].imports:
            if imported in (*above, key):
                found.append(Fault(shown[key], line, 0, f"'{imported}' imports itself, by way of '{key}'"))
            elif imported in bodies and imported not in done:
                visit(imported, (*above, key))
        done.add(key)

    visit(file, ())
    return found


def _compile_faults(head: Head, file: str, sources: dict[str, str], shown: dict[str, str]) -> list[Fault]:
    for key, text in sources.items():
        try:
            wordings = {file: head.wordings} if head.wordings else {}
            Sandbox(wordings=wordings).compile(head.body if key == file else text, key, key)
        except TemplateError as error:
            return [Fault(shown[key], getattr(error, "lineno", 1) or 1, 0, f"not a Jinja template: {error.message}")]
        except (SyntaxError, RecursionError, OverflowError, MemoryError) as error:
            return [Fault(shown[key], 1, 0, f"too deeply nested to be compiled ({type(error).__name__})")]
    return []
