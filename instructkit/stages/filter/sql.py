"""A boolean SQL expression over the columns of a noun, with `fields.x` and `meta.x` typed by how they are used.

fields.stars >= 4 AND language = 'en'
───────────┬      ───────┬
           │             └ a column
           └ inside the JSON text of `fields`; compared with a number, so read as a number
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import polars as pl

from instructkit.errors import did_you_mean
from instructkit.schema import Document, Example, Noun, columns
from instructkit.text.jsonfields import DTYPES, FieldType, extract
from instructkit.text.view import example_text

QUOTED = r'"(?:[^"]|"")*"'
TOKEN = re.compile(
    rf"(?P<string>'(?:[^']|'')*')"
    rf"|(?P<field>(?<![\w.\"])(?:fields|meta)(?:\s*\.\s*(?:{QUOTED}|[A-Za-z_]\w*))+)"
    rf"|(?P<quoted>{QUOTED})"
)
QUOTES = re.compile(rf"'(?:[^']|'')*'|{QUOTED}")
CLOCK = re.compile(r"\b(current_date|current_time|current_timestamp|localtime|localtimestamp|now|today)\b", re.I)
# The aggregates, windows and table functions of polars SQL. `meta.is_row_separable` (2.1) does not tell them apart.
MANY_ROWS = re.compile(
    r"\b(any_value|approx_\w+|array_agg|avg|bit_and|bit_or|bit_xor|bool_and|bool_or|corr|count|covar\w*|cume_dist|"
    r"dense_rank|every|first|first_value|generate_series|group_concat|lag|last|last_value|lead|max|mean|median|min|mode|"
    r"nth_value|ntile|percent_rank|quantile\w*|rank|row_number|std\w*|string_agg|sum|unnest|var|var_pop|var_samp|"
    r"variance)\s*\(|\bover\s*\(|\bselect\b",
    re.I,
)
MOST_FIELDS = 5
"""Distinct fields in one expression: their types are found by trying, 3 ** 5 = 243 times at most."""

SAMPLES: dict[FieldType, object] = {"text": "a", "number": 1.0, "boolean": True}


@dataclass(frozen=True)
class Field:
    """A value inside a JSON column, and the name that it has in the expression handed to polars."""

    column: str
    path: tuple[str, ...]

    @property
    def name(self) -> str:
        """As the user wrote it, with quotes where a key needs some."""
        return ".".join([self.column, *(key if key.isidentifier() else f"[{key}]" for key in self.path)])


@dataclass(frozen=True)
class Condition:
    """An expression that was understood for one noun."""

    expression: pl.Expr
    inputs: dict[str, pl.Expr]
    """What the expression names, each as an expression over the noun's columns."""


def read_condition(sql: str, noun: Noun) -> Condition | str:
    """The expression as a condition on rows of the noun, or what is wrong with it."""
    fields: dict[str, Field] = {}
    plain = TOKEN.sub(lambda match: _named(match, fields), sql)
    if clock := CLOCK.search(QUOTES.sub("''", sql)):
        return f"{clock[0]} would give other results on another day; write the date as text"
    if many := MANY_ROWS.search(QUOTES.sub("''", sql)):
        word = many[0].rstrip(" (")
        return (
            f"{word} looks at many rows; the expression must look at one, or it would change with the cut into shards"
        )
    try:
        expression = pl.sql_expr(plain)
    except pl.exceptions.PolarsError as error:
        return f"not a SQL expression: {_first_line(error)}"
    if str(expression) != str(expression.meta.undo_aliases()):
        return "a word too many at the end: polars reads it as a new name (x AS y), which a condition has no use for"
    names = list(dict.fromkeys(expression.meta.root_names()))
    if problem := _unknown(names, fields, noun):
        return problem
    if not names:
        return "looks at no column, so it would keep all rows or none"
    types = _types(expression, plain, names, fields, noun)
    if isinstance(types, str):
        return types
    known = _columns(noun)
    inputs = {n: extract(fields[n].column, fields[n].path, types[n]) if n in fields else known[n] for n in names}
    return Condition(expression, inputs)


def _named(match: re.Match[str], fields: dict[str, Field]) -> str:
    if match["field"] is None:
        return match[0]
    column, *path = re.findall(rf"{QUOTED}|\w+", match["field"])
    keys = tuple(key[1:-1].replace('""', '"') if key.startswith('"') else key for key in path)
    field = Field(column, keys)
    fields[field.name] = field
    return '"' + field.name.replace('"', '""') + '"'


def _columns(noun: Noun) -> dict[str, pl.Expr]:
    """What an expression on this noun may name, beside fields."""
    known = {name: pl.col(name) for name in columns(noun).names()}
    if noun is Example:
        known |= {"prompt": example_text("prompt"), "response": example_text("response")}
    return known


def _unknown(names: list[str], fields: Mapping[str, Field], noun: Noun) -> str | None:
    known = set(_columns(noun))
    for name in names:
        column = fields[name].column if name in fields else name
        if column not in known:
            kind = "documents" if noun is Document else "examples"
            other = {"meta": "; documents have `fields`", "fields": "; examples have `meta`"}
            return f"{kind} have no column '{column}'{other.get(column) or did_you_mean(column, sorted(known))}"
    return None


def _types(
    expression: pl.Expr, plain: str, names: list[str], fields: Mapping[str, Field], noun: Noun
) -> dict[str, FieldType] | str:
    """The first types, text before number before boolean, with which the expression works and is true or false."""
    wanted = [name for name in names if name in fields]
    if len(wanted) > MOST_FIELDS:
        return f"names {len(wanted)} fields, at most {MOST_FIELDS} are allowed; split it over two steps"
    schema = columns(noun)
    plainly = {name: schema.get(name, pl.String()) for name in names if name not in fields}
    ordered = _ordered_fields(plain, wanted)
    choices: list[tuple[FieldType, ...]] = [
        ("number",) if n in ordered else ("text", "number", "boolean") for n in wanted
    ]
    problem = ""
    for types in product(*choices):
        sample = pl.DataFrame(
            [pl.Series(name, [None], dtype=dtype) for name, dtype in plainly.items()]
            + [pl.Series(n, [SAMPLES[kind]], dtype=DTYPES[kind]) for n, kind in zip(wanted, types, strict=True)]
        )
        try:
            result = sample.select(expression.alias("result"))["result"].dtype
        except pl.exceptions.PolarsError as error:
            problem = problem or _first_line(error)
            continue
        if result == pl.Boolean:
            return dict(zip(wanted, types, strict=True))
        problem = problem or f"gives {result}, not true or false"
    return problem


def _ordered_fields(plain: str, wanted: list[str]) -> set[str]:
    """Fields that are put in order with one another: as text, 10 would come before 9."""
    quoted = {name: re.escape('"' + name.replace('"', '""') + '"') for name in wanted}
    return {
        name
        for a, b in product(wanted, wanted)
        if re.search(rf"{quoted[a]}\s*(<=|>=|<|>)\s*{quoted[b]}", plain)
        for name in (a, b)
    }


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
