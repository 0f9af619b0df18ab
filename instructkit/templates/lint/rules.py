"""The rules of `instructkit templates lint`, in one table: it orders the findings and makes the documentation.

An error is what makes wrong examples, or examples that no chat template takes; a warning is for a look. Each rule but
`fault` can be switched off for one template by its front matter: `allow: [answer_in_prompt]`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Rule(NamedTuple):
    """One rule of lint."""

    severity: Severity
    finds: str
    """What it finds, for the documentation."""
    why: str
    """Why that matters, and what does not count."""


RULES: dict[str, Rule] = {
    "fault": Rule(
        "error",
        "A fault that keeps the template from loading: an unknown key, an undefined or unused input, a block that is "
        "no role, text outside of all blocks, an import that is not there.",
        "A build stops at it; it cannot be allowed.",
    ),
    "role_order": Rule(
        "error",
        "Turns in an order that chat templates refuse: one role twice in a row, a `tool` turn that follows no "
        "`assistant`, a `tool` turn that a `user` turn follows.",
        "Blocks in different branches of an `if` count where one certainly follows the other.",
    ),
    "empty_turn": Rule(
        "error",
        "A block that prints nothing on any row.",
        "Every row would be dropped as `empty_answer` or `empty_message`.",
    ),
    "answer_in_prompt": Rule(
        "error",
        "The answer stands in the prompt: an input of `targets` (or the one input that is all of the answer) is "
        "printed in a turn before it, or the rendered answer stands there word for word in all of the template's "
        "tests, or in half of the rows of `--rows` or more.",
        "The model would learn to copy. Answers of fewer than 8 words (16 characters in scripts without spaces) and "
        "answers among `choices` count only where the input itself is printed.",
    ),
    "choice_mismatch": Rule(
        "error",
        "The answer can be something that `choices` does not list, or can never be one of them.",
        "Seen where the answer is one of texts that stand in the template, and in its tests and the rows of `--rows`.",
    ),
    "unanswered": Rule(
        "warning",
        "The conversation ends with a turn that is not the assistant's.",
        "Nothing is learned from it. Templates without any answer are not meant.",
    ),
    "no_prompt": Rule(
        "warning",
        "The assistant speaks first.",
        "A model that is asked nothing learns to answer no question.",
    ),
    "constant_answer": Rule(
        "warning",
        "No answer uses an input: all rows have the same answer.",
        "The model learns to say it whatever it is asked.",
    ),
    "constant_prompt": Rule(
        "warning",
        "No turn before the answer uses an input, though the answer does: every row asks the same.",
        "The model learns to make the answer up.",
    ),
    "unguarded_input": Rule(
        "warning",
        "An input that may be missing is printed without a condition around it.",
        "Where it is missing, the row is dropped as `template_error`. A default in the front matter helps as well.",
    ),
    "wrong_language": Rule(
        "warning",
        "The template's own words are in another language than `languages` says.",
        "The script is looked at first; a detector is asked only about 20 words or more and has to be sure of the "
        "whole and of both halves. Fenced and quoted code does not count.",
    ),
    "duplicate_template": Rule(
        "warning",
        "Another template has nearly the same wording: three quarters or more of the shingles of the two together are "
        "in both (inputs masked; pairs of words, triples of characters in scripts without spaces).",
        "More of the same wording is no variety; several wordings of one instruction belong into `phrasings`.",
    ),
    "similar_phrasings": Rule(
        "warning",
        "Two phrasings, or two items of a list that `choice` draws from, hardly differ: by case and punctuation, or as "
        "little as `duplicate_template` takes for the same.",
        "The number of phrasings promises a variety that is not there.",
    ),
    "trailing_space": Rule(
        "warning",
        "White space at the end of a line inside a message.",
        "It stays in the example, unseen. At the end of a message it is taken away and does not count.",
    ),
    "placeholder": Rule(
        "warning",
        "`TODO`, `FIXME` or `lorem ipsum` among the template's own words.",
        "A draft that was not finished.",
    ),
    "missing_tests": Rule(
        "warning",
        "The template has no test that expects messages.",
        "Tests show a reader what the template makes, and the next author what not to break.",
    ),
    "summary_form": Rule(
        "warning",
        "The summary is not one sentence in one line of at most 160 characters that ends with a full stop.",
        "Lists and the catalogue print it as it is.",
    ),
    "missing_license": Rule(
        "warning",
        "There is no `license`, or it is no SPDX expression (`CC0-1.0`, `MIT OR Apache-2.0`, `LicenseRef-mine`).",
        "Examples carry the template's own words on to others.",
    ),
    "missing_languages": Rule(
        "warning",
        "`languages` is not there, though the template has words of its own.",
        "Who chooses templates by language misses it, and whether its words are in the right one is not checked.",
    ),
    "no_rows": Rule(
        "warning",
        "Of the rows of `--rows` that have all inputs, none gives a conversation.",
        "The drops' rules are counted in the message. Rows that the template's own conditions leave out do not count.",
    ),
}
"""Rules by name, in the order in which findings at one place are shown."""
