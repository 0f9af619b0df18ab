"""What is left in texts of the way they came: control tokens, placeholders, HTML, wrongly decoded bytes."""

from __future__ import annotations

import re
from typing import NamedTuple

import polars as pl

from instructkit.audit.finding import MARKS, NO_MARKS
from instructkit.audit.texts import without_code
from instructkit.text.view import BETWEEN

CONTROL: tuple[str, ...] = (
    r"<\|[a-zA-Z_]\w{1,30}\|>",
    r"<｜[^｜\n]{1,40}｜>",
    r"\[/?INST\]|<</?SYS>>",
    r"</s>|<s>\s*\[INST|<(?:start|end)_of_turn>|<(?:eos|bos|unk|pad)>|\[(?:CLS|SEP|PAD|MASK)\]",
    r"(?m)^#{2,3} ?(?:Response|Instruction|Input|Output|Assistant|Human|User)\s*:",
)
TURNS = r"(?m)^\s*(?:Human|User|Assistant|ASSISTANT|USER|HUMAN|GPT)\s?: "
"""A line of somebody else's turn. In prompts it may be meant: a dialogue to go on with."""
PLACEHOLDER: tuple[str, ...] = (
    r"\{\{\s*[A-Za-z_][\w.]{0,40}\s*\}\}",
    r"(?i)\blorem ipsum\b",
    r"(?i)[\[<](?:insert|add|enter|put|your) [^\]>\n]{1,40} here[\]>]",
    r"(?i)<no ?input>|\[object Object\]",
)
NOTHING = (
    r"(?i)^\s*(?:nan|none|null|n/?a|nil|undefined|\[object object\]|<no ?output>|no output\.?|todo|tbd|\[\]|\{\}|"
    r"[.…\-–—_*]+)\s*$"
)
"""An answer that says nothing."""
ABOUT_TOKENS = (
    r"(?i:\btokens?\b|\btokeni[sz]|\bdelimiters?\b|\bseparators?\b|\bmarkers?\b|\btags?\b|\bmeans?\b|\bstands? for\b)"
)
"""Near a control token: a question about it."""
ABOUT_TEMPLATES = (
    r"(?i)\btemplat|mustache|handlebars|jinja|liquid|placeholder|\bvariables?\b|mail ?merge|merge fields?|fill in|"
    r"lorem ipsum|filler text|dummy text"
)
NO_SUCH = r"(?i)^\s*(?:none|n/?a|nil)\s*$"
"""An answer to who looks for something and may find nothing."""
LOOKS_FOR = (
    r"(?i)\bextract|\bwhich of\b|\bany of\b|\blist (?:all|any|every)|\bif (?:any|there|no(?:ne|thing)?)\b|"
    r"\boptions?\b|\b(?:not )?(?:mentioned|stated|present|available)\b|\bpassage\b|\bclassif|\bcategor|\bidentify\b|"
    r"\bfind (?:all|any|the)\b"
)
HTML = (
    r"(?i)</?(?:p|div|span|br|a|li|ul|ol|b|i|em|strong|table|tr|td|th|font|h[1-6]|img|hr|script|style)(?:\s[^<>]{0,200})?/?>"
    r"|&(?:nbsp|amp|lt|gt|quot|apos|ldquo|rdquo|hellip|mdash|#\d{2,5}|#x[0-9a-f]{2,5});"
)
ABOUT_CODE = (
    r"(?i)html|xml|\bcss\b|javascript|\bjs\b|react|web ?(?:page|site)|\btag|<\w|markup|markdown|svg|code|网页|标签|代码"
)
SUSPECTS = "[ÂÃâäåæçèéãðÐÑ][\u0080-¿ŒœŠšŸŽžƒˆ˜–-›€™]"
"""Two characters that UTF-8 read as Latin-1 or Windows-1252 gives."""
_SUSPECTS = re.compile(SUSPECTS)
REPLACEMENT = "\ufffd"
AROUND = 24
_NEVER = pl.lit(False)
_PROSE = pl.concat_str(without_code(pl.col("prompt")), without_code(pl.col("response")), separator=BETWEEN)


class _Sign(NamedTuple):
    """What a rule looks for, and where."""

    rule: str
    text: pl.Expr
    pattern: str
    unless: pl.Expr = _NEVER
    """Rows that do not count."""


def control_token(rows: pl.DataFrame) -> pl.DataFrame:
    """Marks messages with control tokens: rules `token`, `turn` (somebody else's turn inside an answer).

    A prompt that speaks of a control token asks about it.
    """
    pattern = "|".join(CONTROL)
    control = f"(?:{pattern.replace('(?m)', '')})"
    near = rf"(?m){ABOUT_TOKENS}[^\n]{{0,40}}{control}|{control}[^\n]{{0,40}}{ABOUT_TOKENS}"
    asked = pl.col("prompt").str.contains(near)
    # A story may have a line of Human's; two speakers in turn are a conversation that was not cut apart.
    alone = pl.col("prose").str.count_matches(TURNS) < 2
    return _marks(
        rows,
        _Sign("token", _PROSE, pattern, unless=asked),
        _Sign("turn", pl.col("prose"), TURNS, unless=alone),
    )


def placeholder(rows: pl.DataFrame) -> pl.DataFrame:
    """Marks what nobody filled in: rules `placeholder`, `says nothing`.

    An answer that the prompt names is one, and so is `None` to who looks for something. Who asks for a template gets
    its placeholders.
    """
    in_code = pl.col("answer").str.contains("```", literal=True)
    prompt, answer = (_bare(pl.col(name)) for name in ("prompt", "answer"))
    none = pl.col("answer").str.contains(NO_SUCH) & pl.col("prompt").str.contains(LOOKS_FOR)
    template = pl.col("prompt").str.contains(ABOUT_TEMPLATES)
    return _marks(
        rows,
        _Sign("says nothing", pl.col("answer"), NOTHING, unless=none | prompt.str.contains(answer, literal=True)),
        _Sign("placeholder", _PROSE, "|".join(PLACEHOLDER), unless=in_code | template),
    )


def _bare(text: pl.Expr) -> pl.Expr:
    """The words alone, in lower case, each between two spaces."""
    return pl.lit(" ") + text.str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}/]+", " ").str.strip_chars() + " "


def html(rows: pl.DataFrame) -> pl.DataFrame:
    """Marks answers with tags or entities: rule `html`."""
    asked = pl.col("prompt").str.contains(ABOUT_CODE) | pl.col("answer").str.contains("```", literal=True)
    return _marks(rows, _Sign("html", pl.col("prose"), HTML, unless=asked))


def mojibake(rows: pl.DataFrame) -> pl.DataFrame:
    """Marks wrongly decoded text: rules `decoded wrongly` (it can be mended), `U+FFFD` (it cannot)."""
    suspects = rows.filter(pl.col("whole").str.contains(f"{SUSPECTS}|{REPLACEMENT}")).select("row", "whole")
    found = []
    for row, text in suspects.iter_rows():
        place = text.find(REPLACEMENT)
        mended = _mended(text)
        if mended is not None:
            found.append((row, "decoded wrongly", mended))
        elif place >= 0:
            found.append((row, "U+FFFD", " ".join(text[max(0, place - AROUND) : place + AROUND].split())))
    return pl.DataFrame(found, schema=MARKS, orient="row") if found else NO_MARKS


def _mended(text: str) -> str | None:
    """The first line that decoding it anew changes, before and after; None where nothing does."""
    from ftfy import fix_encoding

    for line in filter(_SUSPECTS.search, text.splitlines()):
        if (new := fix_encoding(line)) != line:
            place = next((i for i, (a, b) in enumerate(zip(line, new, strict=False)) if a != b), 0)
            start = max(0, place - AROUND // 2)
            return f"{line[start : place + AROUND]} → {new[start : place + AROUND]}"
    return None


def _marks(rows: pl.DataFrame, *signs: _Sign) -> pl.DataFrame:
    """MARKS of the first sign that each row has, with a few characters on both sides of it."""
    left, found = rows, [NO_MARKS]
    for rule, text, pattern, unless in signs:
        # Looking for the surroundings as well takes ten times as long as looking whether it is there.
        there = left.filter(text.str.contains(pattern)).filter(~unless)
        flags = "".join(flag for flag in ("(?i)", "(?m)") if flag in pattern)
        bare = pattern.replace("(?i)", "").replace("(?m)", "")
        around = text.str.extract(rf"{flags}([^\n]{{0,{AROUND}}}(?:{bare})[^\n]{{0,{AROUND}}})", 1)
        found.append(there.select("row", rule=pl.lit(rule), said=around.fill_null("")).cast(MARKS))
        left = left.join(there, on="row", how="anti", maintain_order="left") if there.height else left
    return pl.concat(found)
