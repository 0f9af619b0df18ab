"""What the name of a column says that it is for, in English and Chinese."""

from __future__ import annotations

import re
from typing import Literal

from instructkit.report.draft.columns import Column

Role = Literal["question", "passage", "title", "summary", "answer", "label", "options", "left_out"]

WORDS: dict[Role, str] = {
    "left_out": "id ids uid uuid guid key idx index url uri link href hash md5 sha timestamp date time year created "
    "updated split source author user username version license start offset score votes lang language "
    "编号 序号 链接 日期 时间",
    "label": "label labels category class sentiment intent topic stance emotion rating stars polarity tag gold "
    "verdict 标签 类别 分类 情感 意图 主题",
    "answer": "answer answers response output completion reply solution target rationale 答案 回答 答复 输出 回复 谜底",
    "question": "question query problem riddle prompt instruction ask puzzle 问题 题目 提问 指令 谜面 歇后语",
    "options": "options choices candidates alternatives endings 选项",
    "title": "title headline subject heading 标题 题名",
    "summary": "summary highlights tldr gist abstract 摘要 总结 概要",
    "passage": "text context passage article document body content review comment paragraph sentence premise "
    "hypothesis story description transcript post tweet dialogue message email code input abstract "
    "文本 内容 正文 文章 评论 评价 句子 段落 上文 输入",
}
GENERIC = frozenset({"text", "value", "content", "name", "string"})
"""Names that say nothing below a column that has a telling one: `answers[0].text` is an answer."""
LANGUAGES = {
    "en": "English", "eng": "English", "english": "English", "英文": "English", "英语": "English",
    "zh": "Chinese", "cn": "Chinese", "chi": "Chinese", "chinese": "Chinese", "中文": "Chinese", "汉语": "Chinese",
    "de": "German", "german": "German", "fr": "French", "french": "French", "es": "Spanish", "spanish": "Spanish",
    "it": "Italian", "italian": "Italian", "pt": "Portuguese", "portuguese": "Portuguese", "ru": "Russian",
    "russian": "Russian", "ja": "Japanese", "japanese": "Japanese", "日文": "Japanese", "ko": "Korean",
    "korean": "Korean",
    "ar": "Arabic", "arabic": "Arabic", "nl": "Dutch", "dutch": "Dutch", "pl": "Polish", "tr": "Turkish", "hi": "Hindi",
}  # fmt: skip


def words_of(name: str) -> list[str]:
    """`reviewText_2` → review, text, 2."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[\W_]+", spaced.lower()) if word]


def role_of(column: Column) -> Role | None:
    """What a column's name says that it is for; None where it says nothing."""
    own = words_of(column.name)
    # The last word is the noun: an answer_id is an id, a question_text is a text about a question.
    ranked = [own[-1:], own[:-1]] if own and not set(own) <= GENERIC else []
    above = words_of(re.split(r"[.\[]", column.expression)[0])
    ranked += [above] if column.nested else []
    ranked += [own]
    for some in ranked:
        specific = [word for word in some if word not in GENERIC]
        for role, words in WORDS.items():
            listed = words.split()
            if any(word in listed or word.removesuffix("s") in listed for word in specific):
                return role
            if any(not word.isascii() and word in column.name for word in listed):
                return role
    return "passage" if {"text", "content"} & set(own) else None


def language_of(column: Column) -> str:
    """The language that a column's name says; empty where it says none."""
    words = [*words_of(column.name), column.name]
    return next((LANGUAGES[word] for word in words if word in LANGUAGES), "")
