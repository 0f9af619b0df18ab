"""The checks of `instructkit audit`, in one table: it orders the findings and makes the documentation.

An error spoils a training or a measurement for certain; a warning is for a look; a note is good to know.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Check(NamedTuple):
    """One check of an audit."""

    severity: Severity
    title: str
    """What its rows are, for the summary."""
    finds: str
    """What it finds, for the documentation."""
    why: str
    """Why that matters, and what does not count."""


CHECKS: dict[str, Check] = {
    "format": Check(
        "error",
        "no conversation",
        "Rows that cannot be read as a conversation: broken JSON, unknown columns or roles, turns in an order that "
        "chat templates refuse, contents that are not text. Counted by rule.",
        "Trainers drop such rows, stop at them or train on something else. The rules are those of `ingest.chat`.",
    ),
    "empty": Check(
        "error",
        "empty prompt or answer",
        "Rows whose prompt or answer is empty or white space.",
        "A model learns from them to say nothing.",
    ),
    "leak": Check(
        "error",
        "in two splits",
        "Rows that stand in another split as well: the same conversation, the same prompt, or nearly the same.",
        "A score on them measures memory. `instructkit verify` shows each pair. Needs splits: files or folders named "
        "train, validation, test, or a column `split`.",
    ),
    "contaminated": Check(
        "error",
        "holds evaluation rows",
        "Rows that hold a row of the files named with `--against`.",
        "A score on that evaluation measures memory.",
    ),
    "untrained": Check(
        "error",
        "nothing to train on",
        "Rows without a token that is trained on: all weights of their answers are 0, or an empty text; with `--model` "
        "or `--chat-template` also those whose answers the template leaves out or changes.",
        "They cost time and teach nothing.",
    ),
    "overlong": Check(
        "warning",
        "longer than the model reads",
        "With `--model`: conversations of more tokens than the model's tokenizer says that it reads.",
        "A trainer drops them or cuts their answers.",
    ),
    "duplicate": Check(
        "warning",
        "exact copy",
        "Rows that repeat an earlier row: the same roles saying the same. Also the same under another system prompt, "
        "and rows that are the beginning of a longer conversation.",
        "They count twice in training, and leak when the set is split at random.",
    ),
    "near_duplicate": Check(
        "warning",
        "near-duplicate",
        "Rows whose question and answer together nearly repeat an earlier row: 5-word shingles of a Jaccard similarity "
        "of 0.8 or more, and of their answers 0.5 or more; each pair is verified. Pairs exactly at 0.8 are found with "
        "probability 0.99. Exact copies are counted apart.",
        "As for copies; two questions about one passage are none. What the system says, and words that stand in 50 "
        "different rows, as a template's do, are not compared; a row with fewer than 10 words of its own is like none, "
        "but for many near-copies of one long text, which differ in various places. `dedupe.minhash` drops them.",
    ),
    "cut": Check(
        "warning",
        "answer cut off",
        "Answers that stop in the middle: a code block or bracket that is not closed, a comma or the like at the end, "
        "many answers of one greatest length, or, where nine of ten long answers end a sentence, no full stop.",
        "A model learns to stop in the middle. Items of lists, table rows, headings, code and links need no full stop.",
    ),
    "echo": Check(
        "warning",
        "answer repeats prompt",
        "Answers that are the prompt once more, or begin with all of it; case, punctuation and white space apart.",
        "A model learns to parrot. Prompts of fewer than 5 words do not count.",
    ),
    "refusal": Check(
        "warning",
        "refusal",
        "Answers that begin with a refusal, or speak of themselves as an AI or a language model, in 15 languages.",
        "A model learns to refuse. Meant in data for safety.",
    ),
    "identity": Check(
        "warning",
        "names another model",
        "Answers in which the speaker is ChatGPT, Claude, Qwen …, or was made by OpenAI, Anthropic, Alibaba …",
        "The tuned model will say it is somebody else.",
    ),
    "control_token": Check(
        "warning",
        "control tokens in text",
        "Messages with control tokens or headings of chat formats in their text: <|im_end|>, [/INST], </s>, "
        "`### Response:`, a line that begins with `Human:`.",
        "They close a turn in the middle of it, or are what is left of a conversation cut wrongly. A prompt that "
        "speaks of a token asks about it, and does not count.",
    ),
    "placeholder": Check(
        "warning",
        "placeholder left",
        "Messages with a placeholder nobody has filled in ({{name}}, lorem ipsum), and answers that are nothing but "
        "nan, None, null, N/A or [object Object].",
        "A model learns to say them. Code does not count, nor do prompts that ask for a template or name the answer, "
        "nor None where something is looked for.",
    ),
    "mojibake": Check(
        "warning",
        "broken characters",
        "Messages with text that was decoded wrongly (â€™ for ’), or with U+FFFD.",
        "`clean.text` mends what can be mended.",
    ),
    "language": Check(
        "warning",
        "answer in another language",
        "Answers in another language than all parts of their prompt, both told with a probability of 0.8 or more.",
        "Prompts that ask for a translation or name a language do not count, nor do code and texts of fewer than 40 "
        "letters (10 in scripts without spaces).",
    ),
    "one_template": Check(
        "warning",
        "all in one wording",
        "Rows of the one prompt wording that carries more than half of 100 rows or more, when names, numbers and "
        "whatever else differs from row to row is masked.",
        "A model tuned on one wording answers that wording. More wordings: `phrasings` of a template.",
    ),
    "html": Check(
        "note",
        "HTML left",
        "Answers with tags or entities (<br>, &nbsp;) outside of code.",
        "What is left of a web page. Prompts that speak of HTML, XML or code do not count.",
    ),
    "same_prompt": Check(
        "note",
        "same prompt, other answer",
        "Rows whose prompt stood in an earlier row with another answer.",
        "Good where several answers are right; a contradiction where one is.",
    ),
    "near_prompt": Check(
        "note",
        "nearly the same prompt",
        "Rows whose prompt nearly repeats that of an earlier row, as for near-duplicates, but not the answer.",
        "Split at random, they leak in part. Questions about one passage are among them.",
    ),
}
