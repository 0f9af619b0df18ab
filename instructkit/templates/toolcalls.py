"""Calls of tools in the turns of a row: who calls what, and which turn answers.

{% block assistant %}{{ tool_call("get_weather", {"city": city}) }}{% endblock %}     tool_calls: [{id: call_1, …}]
{% block tool %}{{ weather }}{% endblock %}                                           tool_call_id: call_1
{% block assistant_2 %}It is {{ weather }}.{% endblock %}
"""

from __future__ import annotations

from typing import Any

import orjson

from instructkit.errors import did_you_mean
from instructkit.hashing import canonical_json
from instructkit.templates.tools import Spend, Toolbox, read_tools
from instructkit.templates.turns import Refusal, Turn, shortened


class BadToolCallError(Exception):
    """A call of a tool that is not there, with arguments that do not fit, or in a turn that cannot call."""

    def __init__(self, tool: str, message: str) -> None:
        self.tool = tool
        super().__init__(message)


class Tools:
    """The tools of a template: the same for all rows, or those that an input of the row holds."""

    def __init__(self, given: list[dict[str, Any]] | str, spend: Spend) -> None:
        self._spend = spend
        self._input = given if isinstance(given, str) else None
        self._toolbox = None if isinstance(given, str) else Toolbox(read_tools(given)[0], spend)
        self._json: str | None = None
        """What the input held for the row before: rows often hold the same."""
        self._cost = 0
        """Of reading that; each row is charged, so that none depends on the one before."""

    def of(self, row: dict[str, Any]) -> Toolbox | Refusal | None:
        """The tools of a row; None where the input is missing and may be. Raises WorkExceeded."""
        if self._input is None:
            return self._toolbox
        given = row[self._input]
        if given is None:
            return None
        try:
            json = canonical_json(given)
        except TypeError as error:
            return Refusal("bad_tools", self._input, None, f"'{self._input}' is no JSON ({error})")
        self._spend(len(json))
        if json == self._json:
            self._spend(self._cost)
        else:
            costs: list[int] = []

            def charge(characters: int) -> None:
                costs.append(characters)
                self._spend(characters)

            tools, problems = read_tools(given, charge)
            if problems:
                path, message = problems[0]
                place = ".".join(map(str, (self._input, *path)))
                return Refusal("bad_tools", self._input, None, f"{place}: {message}")
            self._json, self._toolbox, self._cost = json, Toolbox(tools, self._spend), sum(costs)
        return self._toolbox


class ToolCalls:
    """The calls of one row; `begin` starts the next."""

    def __init__(self) -> None:
        self.begin(None)

    def begin(self, toolbox: Toolbox | None) -> None:
        """Start a row with the tools that it can call."""
        self.toolbox = toolbox
        self.made: list[dict[str, Any]] = []
        """Of the turn that is being rendered."""
        self.unanswered: list[dict[str, Any]] = []
        self.count = 0

    def call(self, name: Any, arguments: Any = None) -> str:
        """Record a call. Raises BadToolCallError."""
        name = str(name)
        if self.toolbox is None or name not in self.toolbox.names:
            names = self.toolbox.names if self.toolbox else []
            listed = f"there are: {', '.join(names)}" if names else "the example has no tools"
            raise BadToolCallError(name, f"no tool is called '{name}'; {listed}{did_you_mean(name, names)}")
        try:
            given = orjson.loads(canonical_json({} if arguments is None else arguments))
        except TypeError as error:
            raise BadToolCallError(name, f"{name}: the arguments are no JSON ({error})") from None
        if not isinstance(given, dict):
            raise BadToolCallError(
                name, f"{name}: arguments are an object of names and values, not {shortened(repr(given), 80)}"
            )
        misfit = self.toolbox.misfit(name, given)
        if misfit:
            raise BadToolCallError(name, f"{name}: {misfit}")
        self.count += 1
        function = {"name": name, "arguments": given}
        self.made.append({"id": f"call_{self.count}", "type": "function", "function": function})
        return ""

    def open_turn(self) -> None:
        """Before a block is rendered. Raises BadToolCallError where calls were made above the turns."""
        if self.made:
            raise BadToolCallError(_name(self.made[0]), "tool_call outside of an assistant block")

    def close_turn(self, turn: Turn) -> Turn:
        """The turn with the calls that were made in it, or the call that it answers. Raises BadToolCallError."""
        calls, self.made = self.made, []
        if turn.role == "tool":
            if calls or not self.unanswered:
                message = "tool_call in a tool block" if calls else "a tool turn without a call before it to answer"
                raise BadToolCallError(_name(calls[0]) if calls else "", message)
            answered = self.unanswered.pop(0)
            return turn._replace(name=_name(answered), tool_call_id=answered["id"])
        if self.unanswered:
            message = f"no tool turn answers {self.unanswered[0]['id']}, of {_name(self.unanswered[0])}"
            raise BadToolCallError(_name(self.unanswered[0]), message)
        if not calls:
            return turn
        if turn.role != "assistant":
            raise BadToolCallError(_name(calls[0]), f"tool_call in a {turn.role} block; only the assistant calls")
        self.unanswered = calls
        return turn._replace(tool_calls=canonical_json(calls))


def _name(call: dict[str, Any]) -> str:
    return str(call["function"]["name"])
