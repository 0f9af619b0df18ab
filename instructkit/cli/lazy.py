"""A group that knows its commands by name and one line, and imports one when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click


class LazyGroup(click.Group):
    """Commands of a package: `gc` is the function `gc` of the file `gc`, `templates` that of the folder's file `group`.

    A function with a builtin's name ends in an underscore (`eval_`), a file with a keyword's name too (`import_`).
    """

    def __init__(self, *args: Any, package: str, summaries: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.package, self.summaries = package, summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order of the work."""
        return list(self.summaries)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command, imported now; None for an unknown name."""
        if name not in self.summaries:
            return None
        module = import_module(f"{self.package}.{name}_" if iskeyword(name) else f"{self.package}.{name}")
        if hasattr(module, "__path__"):
            module = import_module(f"{module.__name__}.group")
        command: click.Command = getattr(module, f"{name}_", None) or getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the closest name for an unknown one."""
        from instructkit.errors import did_you_mean

        known = self.summaries
        if args and args[0] not in known and not args[0].startswith("-"):
            ctx.fail(f"no command '{args[0]}'{did_you_mean(args[0], known)} (commands: {', '.join(known)})")
        return super().resolve_command(ctx, args)
