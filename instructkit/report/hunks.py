"""The differences of two texts for the eye: what is equal between them is folded, and each line is a row.

pieces   (60 equal words) changed (9 equal words, a new line, 3 equal words)
rows     "… 45 equal words …"  |  15 equal words, changed, 9 equal words  |  3 equal words
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import groupby

import msgspec

from instructkit.text.worddiff import Piece, tokens

CONTEXT = 15
"""Equal words shown on either side of a difference."""
MOST_DIFFERENCES = 50
"""Differences shown when not everything is."""
LONG = 120
"""Words of a change, up to which it is shown whole."""

Row = list[Piece] | str
"""Pieces that stand in one line, or what is said of a fold."""

SIGNS = {" ": "·", "\n": "↵", "\t": "⇥"}
# Control characters could steer the terminal; Unicode has pictures of them.
CONTROLS = {n: 0x2400 + n for n in range(32) if n not in (9, 10)} | {127: 0x2421}


def rows(pieces: Sequence[Piece], full: bool = False) -> list[Row]:
    """Rows that show every difference with some context or, `full`, all of both texts.

    When something changed, differences that were ignored are shown near to it only, and counted in the folds.
    """
    focus = "changed" if any(piece.kind == "changed" for piece in pieces) else "ignored"
    shown, rest = (list(pieces), []) if full else _first_differences(pieces, focus)
    runs = [(calm, list(run)) for calm, run in groupby(shown, key=lambda piece: piece.kind != focus)]
    found: list[Row] = []
    for n, (calm, run) in enumerate(runs):
        if calm and not full:
            parts = _folded(run, 0 if n == 0 else CONTEXT, 0 if n == len(runs) - 1 and not rest else CONTEXT)
        else:
            parts = [run if full else [_shortened(piece) for piece in run]]
        for part in parts:
            if isinstance(part, str):
                found.append(part)
            else:
                _lay(found, part)
    if rest:
        count = sum(piece.kind == focus for piece in rest)
        found.append(f"… {count:,} more differences; --full shows them …")
    return _without_margins(found)


def visible(piece: Piece) -> Piece:
    """The piece with signs for what cannot be seen: spaces and code points, where its sides look alike without."""
    if piece.kind == "equal" or _look(piece.old) != _look(piece.new):
        return msgspec.structs.replace(piece, old=piece.old.translate(CONTROLS), new=piece.new.translate(CONTROLS))
    return msgspec.structs.replace(piece, old=_spelled(piece.old), new=_spelled(piece.new))


def _look(text: str) -> str:
    seen = (char for char in text if unicodedata.category(char) != "Cf" and not char.isspace())
    return unicodedata.normalize("NFC", "".join(seen))


def _spelled(text: str) -> str:
    return "".join(
        SIGNS.get(char) or (char if char.isascii() and char.isprintable() else f"<U+{ord(char):04X}>") for char in text
    )


def _first_differences(pieces: Sequence[Piece], focus: str) -> tuple[list[Piece], list[Piece]]:
    """What comes before and after the point where enough is shown."""
    places = [n for n, piece in enumerate(pieces) if piece.kind == focus]
    end = places[MOST_DIFFERENCES] if len(places) > MOST_DIFFERENCES else len(pieces)
    return list(pieces[:end]), list(pieces[end:])


def _folded(calm: list[Piece], before: int, after: int) -> list[list[Piece] | str]:
    """Words at both ends and, where that is worth its line, a fold between them."""
    units = [unit for piece in calm for unit in _units(piece)]
    words = [n for n, unit in enumerate(units) if not unit.old.isspace() or not unit.new.isspace()]
    if before == after == 0:
        before = 3 * CONTEXT  # nothing differs: the beginning tells which text it is
    hidden = len(words) - before - after
    if hidden < CONTEXT:
        return [calm]
    # No line ends or begins with the space beside the fold; indentation stays.
    start = words[before - 1] + 1 if before else 0
    end = words[-after - 1] + 1 if after else len(units)
    while end < len(units) and not units[end].old.strip(" ") and not units[end].new.strip(" "):
        end += 1
    fold = _fold(units[start:end], hidden)
    return [part for part in (_joined(units[:start]), fold, _joined(units[end:])) if part]


def _units(piece: Piece) -> list[Piece]:
    """Each word and each space of an equal piece; a difference stays whole."""
    return [Piece(kind="equal", old=t, new=t) for t in tokens(piece.old)] if piece.kind == "equal" else [piece]


def _joined(units: list[Piece]) -> list[Piece]:
    joined: list[Piece] = []
    for equal, run in groupby(units, key=lambda unit: unit.kind == "equal"):
        if equal:
            text = "".join(unit.old for unit in run)
            joined.append(Piece(kind="equal", old=text, new=text))
        else:
            joined += run
    return joined


def _fold(units: list[Piece], words: int) -> str:
    ignored = sum(unit.kind == "ignored" for unit in units)
    kind = _unit_name(sum(len(unit.old) for unit in units), words)
    if not ignored:
        return f"… {words:,} equal {kind} …"
    return f"… {words:,} {kind}, equal but for {ignored:,} ignored difference{'s' if ignored > 1 else ''} …"


def _unit_name(characters: int, words: int) -> str:
    """In scripts without spaces a character is a word, and there is nearly nothing between."""
    return "characters" if characters < 1.5 * words else "words"


def _shortened(piece: Piece) -> Piece:
    """A long difference without its middle, which is counted."""
    return msgspec.structs.replace(piece, old=_ends(piece.old), new=_ends(piece.new))


def _ends(text: str) -> str:
    parts = tokens(text)
    words = [n for n, part in enumerate(parts) if not part.isspace()]
    hidden = len(words) - LONG
    if hidden < CONTEXT:
        return text
    head, tail = "".join(parts[: words[LONG // 2]]), "".join(parts[words[-(LONG // 2) - 1] + 1 :])
    return f"{head}… {hidden:,} more {_unit_name(len(text), len(words))} …{tail}"


def _lay(found: list[Row], pieces: list[Piece]) -> None:
    """Pieces behind what is there; a line that ends in both texts ends the row."""
    if not found or isinstance(found[-1], str):
        found.append([])
    for piece in pieces:
        if piece.kind != "equal":
            _last(found).append(piece)
            continue
        first, *lines = piece.old.split("\n")
        _last(found).append(Piece(kind="equal", old=first, new=first))
        found += [[Piece(kind="equal", old=line, new=line)] for line in lines]


def _last(found: list[Row]) -> list[Piece]:
    row = found[-1]
    assert not isinstance(row, str)
    return row


def _without_margins(found: list[Row]) -> list[Row]:
    """Without empty rows beside a fold and at both ends."""
    bare = [
        isinstance(row, str)
        or not any(piece.old.strip() or piece.new.strip() or piece.kind != "equal" for piece in row)
        for row in found
    ]
    kept = []
    for n, row in enumerate(found):
        at_margin = n in (0, len(found) - 1) or any(isinstance(found[m], str) for m in (n - 1, n + 1))
        if isinstance(row, str) or not (bare[n] and at_margin):
            kept.append(row)
    return kept
