"""The single repairs that `clean.text` is made of, as functions of a column of texts."""

from __future__ import annotations

import re
from collections.abc import Callable

import polars as pl

# CSI sequences (ECMA-48, 5.4): colours and cursor moves of terminals, which lose their sense with the ESC.
TERMINAL_ESCAPE = r"\x1b\[[0-?]*[ -/]*[@-~]"
LINE_BREAK = r"\r\n|[\r\x0b\x0c\x{85}\x{2028}\x{2029}]"
CONTROL = r"[\p{Cc}\x{FEFF}--[\n\t]]"
WORD = re.compile(r"[\w'’]+(?:-[\w'’]+)*")


def without_controls(text: pl.Expr) -> pl.Expr:
    r"""Without control characters (category Cc) but `\n` and `\t`, byte order marks and terminal escapes.

    Carriage returns, form feeds and Unicode's line separators become `\n` first. Invisible characters that writing
    needs (joiners in Persian and in emoji, direction marks) stay.
    """
    return text.str.replace_all(TERMINAL_ESCAPE, "").str.replace_all(LINE_BREAK, "\n").str.replace_all(CONTROL, "")


def tidy_lines(text: pl.Expr) -> pl.Expr:
    """Without space at line ends, blank lines at both ends and more than one blank line in a row; indentation stays."""
    text = text.str.replace_all(r"(?m)[^\S\n]+$", "").str.replace_all(r"\n{3,}", "\n\n")
    return text.str.strip_chars("\n")


def single_spaces(text: pl.Expr) -> pl.Expr:
    """Runs of space inside a line as one space, none at its beginning."""
    return text.str.replace_all(r"[^\S\n]+", " ").str.replace_all(r"(?m)^ ", "")


def fix_mojibake(texts: pl.Series) -> pl.Series:
    """Text that was decoded with the wrong encoding, decoded with the right one ("schÃ¶n" becomes "schön").

    Only that: ftfy's other repairs, such as straight quotes, are off, and characters are never replaced by U+FFFD.
    ASCII text cannot be affected and is not looked at.
    """
    import ftfy

    config = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        replace_lossy_sequences=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        fix_surrogates=False,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )
    return _mapped(texts, lambda text: text if text.isascii() else ftfy.fix_text(text, config))


def without_words(texts: pl.Series, words: frozenset[str]) -> pl.Series:
    """Without these words (lower case), whatever their case, and without the spaces they leave behind."""

    def strip(text: str) -> str:
        less = WORD.sub(lambda match: "" if match[0].lower() in words else match[0], text)
        return text if less == text else re.sub(r"(?m)^ +| +(?= |$)", "", less)

    return _mapped(texts, strip)


def _mapped(texts: pl.Series, function: Callable[[str], str]) -> pl.Series:
    return pl.Series(texts.name, [function(text) for text in texts], dtype=pl.String)
