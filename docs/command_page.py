"""The page of commands, made from the command line itself: usage, arguments and options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from docs.reference_pages import GENERATED, table
from instructkit.cli.main import COMMANDS, cli

BOUNDS = {"min": "≥", "max": "≤"}


def commands_page() -> str:
    """Each command, and each of its own commands."""
    lines = [
        GENERATED,
        "# Commands",
        "",
        "Exit codes: 0 done; 1 the run failed; 2 the recipe, a template or the command line is at fault. Every command "
        "explains itself with `--help`.",
        "",
        *table(("command", "does"), ((f"[`{n}`](#instructkit-{n})", said) for n, said in COMMANDS.items())),
    ]
    for name, command in every_command():
        lines += ["", f"## `instructkit {name}`", "", *_body(name, command)]
    return "\n".join(lines) + "\n"


def every_command() -> Iterator[tuple[str, click.Command]]:
    """("templates ls", command) for each command, groups before their own commands."""
    yield from _below("", cli)


def _below(path: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from _below(f"{path}{name} ", command)


def _body(name: str, command: click.Command) -> list[str]:
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    words = ["instructkit", name, *(["[OPTIONS]"] if options else []), *map(_argument, arguments)]
    if isinstance(command, click.Group):
        words.append("COMMAND")
    lines = ["```", " ".join(words), "```", "", *_prose(command.help or "")]
    if options:
        rows = ((_names(option), _meaning(option)) for option in options)
        lines += ["", *table(("option", "meaning"), rows)]
    return lines


def _argument(argument: click.Argument) -> str:
    said = (argument.metavar or str(argument.name)).upper().strip("[].")
    if argument.nargs == -1:
        return f"[{said}]..."
    return said if argument.required else f"[{said}]"


def _names(option: click.Option) -> str:
    names = ", ".join(f"`{opt}`" for opt in [*option.opts, *option.secondary_opts])
    return names if option.is_flag else f"{names} {_kind(option)}"


def _kind(option: click.Option) -> str:
    if option.metavar:
        return f"`{option.metavar}`"
    if isinstance(option.type, click.Choice):
        return " | ".join(f"`{choice}`" for choice in option.type.choices)
    if isinstance(option.type, click.IntRange | click.FloatRange):
        bounds = [f"{sign} {getattr(option.type, side):g}" for side, sign in BOUNDS.items() if _bound(option, side)]
        return " ".join(["integer" if isinstance(option.type, click.IntRange) else "number", *bounds])
    if isinstance(option.type, click.Path):
        return "file" if not option.type.dir_okay else "folder" if not option.type.file_okay else "path"
    return "number" if option.type.name == "float" else option.type.name


def _bound(option: click.Option, side: str) -> bool:
    return getattr(option.type, side) is not None


def _meaning(option: click.Option) -> str:
    said = " ".join((option.help or "").split())
    extra = []
    if option.required:
        extra.append("Required.")
    if option.multiple and "several times" not in said:
        extra.append("May be given several times.")
    if option.show_default and option.default is not None:
        values = option.default if isinstance(option.default, list | tuple) else [option.default]
        extra.append(f"Default: {', '.join(f'`{value}`' for value in values)}.")
    return " ".join([said, *extra])


def _prose(text: str) -> list[str]:
    r"""The help text as Markdown: paragraphs on one line each, those marked \b as they stand."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b"):
            lines += ["```", *paragraph.removeprefix("\b").strip("\n").splitlines(), "```", ""]
        else:
            lines += [" ".join(paragraph.split()), ""]
    return lines[:-1]
