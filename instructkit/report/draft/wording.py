"""The words of first drafts: by task, in English and Chinese. `MATERIAL` stands for what the prompt shows.

They are there to be rewritten; two wordings each show where others go.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Language = Literal["en", "zh"]
MATERIAL = "MATERIAL"


class Wording(NamedTuple):
    """What a draft says for one task."""

    summary: str
    phrasings: dict[str, str]


ENGLISH: dict[str, Wording] = {
    "classification": Wording(
        "Ask which of the fixed answers fits.",
        {
            "plain": "MATERIAL\n\nWhich of these fits?\n{{ choices | options }}",
            "choose": "Read the following, then choose the option that fits it.\n\nMATERIAL\n\n{{ choices | options }}",
        },
    ),
    "multiple_choice": Wording(
        "Ask a question with the answers to choose from.",
        {
            "plain": "MATERIAL\n{{ choices | options }}",
            "choose": "Choose the right answer.\n\nMATERIAL\n\n{{ choices | options }}",
        },
    ),
    "qa": Wording("Ask a question.", {"plain": "MATERIAL", "answer": "Answer this question.\n\nMATERIAL"}),
    "reading": Wording(
        "Ask a question about a passage.",
        {
            "plain": "MATERIAL",
            "answer": "Read the following and answer the question about it.\n\nMATERIAL",
        },
    ),
    "instruction": Wording(
        "Give an instruction.", {"plain": "MATERIAL", "follow": "Follow the instruction.\n\nMATERIAL"}
    ),
    "summary": Wording(
        "Ask for a summary.",
        {"plain": "MATERIAL\n\nSummarise this.", "write": "Write a summary of the following.\n\nMATERIAL"},
    ),
    "title": Wording(
        "Ask for a title.",
        {"plain": "MATERIAL\n\nGive this a title.", "write": "Write a title for the following.\n\nMATERIAL"},
    ),
    "translation": Wording(
        "Ask for a translation from FROM to TO.",
        {
            "plain": "Translate from FROM to TO.\n\nMATERIAL",
            "say": "MATERIAL\n\nSay this in TO.",
        },
    ),
    "pair": Wording(
        "Ask for TARGET.",
        {"plain": "MATERIAL\n\nGive TARGET.", "write": "Write TARGET for the following.\n\nMATERIAL"},
    ),
    "ask": Wording(
        "Ask a question, for a model to answer.", {"plain": "MATERIAL", "answer": "Answer this.\n\nMATERIAL"}
    ),
    "continue": Wording(
        "Ask to continue a text from its beginning.",
        {"plain": "Continue this text.\n\nMATERIAL", "after": "MATERIAL\n\nHow might this go on?"},
    ),
}
CHINESE: dict[str, Wording] = {
    "classification": Wording(
        "从给定的答案中选出合适的一项。",
        {
            "plain": "MATERIAL\n\n以下哪一项合适？\n{{ choices | options }}",
            "choose": "阅读下面的内容，选出合适的一项。\n\nMATERIAL\n\n{{ choices | options }}",
        },
    ),
    "multiple_choice": Wording(
        "提出一个带选项的问题。",
        {
            "plain": "MATERIAL\n{{ choices | options }}",
            "choose": "请选出正确答案。\n\nMATERIAL\n\n{{ choices | options }}",
        },
    ),
    "qa": Wording("提出一个问题。", {"plain": "MATERIAL", "answer": "请回答下面的问题。\n\nMATERIAL"}),
    "reading": Wording("根据文章提问。", {"plain": "MATERIAL", "answer": "阅读下面的内容，回答问题。\n\nMATERIAL"}),
    "instruction": Wording("给出一条指令。", {"plain": "MATERIAL", "follow": "请完成下面的任务。\n\nMATERIAL"}),
    "summary": Wording(
        "要求写摘要。", {"plain": "MATERIAL\n\n请概括以上内容。", "write": "为下面的内容写一段摘要。\n\nMATERIAL"}
    ),
    "title": Wording(
        "要求拟标题。",
        {"plain": "MATERIAL\n\n请为以上内容拟一个标题。", "write": "为下面的内容写一个标题。\n\nMATERIAL"},
    ),
    "translation": Wording(
        "要求翻译（FROM → TO）。",
        {"plain": "请翻译下面的内容（FROM → TO）。\n\nMATERIAL", "say": "MATERIAL\n\n以上内容用 TO 怎么说？"},
    ),
    "pair": Wording(
        "要求写出 TARGET。",
        {"plain": "MATERIAL\n\n请写出 TARGET。", "write": "根据下面的内容写出 TARGET。\n\nMATERIAL"},
    ),
    "ask": Wording("提出问题，由模型回答。", {"plain": "MATERIAL", "answer": "请回答下面的问题。\n\nMATERIAL"}),
    "continue": Wording(
        "要求续写。", {"plain": "请续写下面的内容。\n\nMATERIAL", "after": "MATERIAL\n\n接下来会怎样？"}
    ),
}
WORDINGS: dict[Language, dict[str, Wording]] = {"en": ENGLISH, "zh": CHINESE}
LABELS: dict[str, str] = {
    "question": "问题", "passage": "内容", "title": "标题", "summary": "摘要", "answer": "答案", "text": "内容",
    "context": "内容", "input": "输入", "instruction": "指令", "premise": "前提", "hypothesis": "假设",
}  # fmt: skip


def label_of(name: str, language: Language) -> str:
    """What stands before a value in the prompt: `Premise:`."""
    name = re.sub(r"[{}%#]", "", name)  # what Jinja would take for its own
    if language == "zh":
        return LABELS.get(name.lower(), name) + "："
    spaced = name.replace("_", " ").strip()
    return spaced[:1].upper() + spaced[1:] + ":"


def article(name: str) -> str:
    """`title` → the title."""
    return "the " + re.sub(r"[{}%#]", "", name).replace("_", " ").lower()
