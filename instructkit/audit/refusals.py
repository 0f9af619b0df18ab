"""Answers that refuse, and answers that give themselves out as another model.

The wordings are those that data cleaners filter by, put as patterns: the prefixes of Zou et al., Universal and
Transferable Adversarial Attacks on Aligned Language Models (arXiv:2307.15043, appendix); the phrases of the data card
of ShareGPT_Vicuna_unfiltered; the lists of airoboros (jondurbin) and vigogne (bofenghuang). Here a refusal counts
where an answer begins with it, since "I can't" in a story refuses nothing.
"""

from __future__ import annotations

import polars as pl

from instructkit.audit.finding import MARKS, excerpt

OPENING_CHARACTERS = 300
"""An answer speaks of itself at its start; behind it, it may be a quotation."""

_CANNOT = r"(?:can(?:no|')t|can not|won't|(?:am|'m) (?:unable|not able) to|am not allowed to|must decline)"
_SERVE = (
    r"(?:help(?: you| with\b| in\b| on\b|[.,;!]|\W*$)|assist|provide|create|fulfil|comply|answer|generate|complete|"
    r"engage|do (?:that|this)|access|respond|participate|discuss|browse|determine)"
)
"""What an assistant is asked to do, and people seldom speak of when they write "I cannot"."""
_DO = (
    rf"(?:\w+ ){{0,2}}(?:{_SERVE}|help|support|write|share|give|offer|recommend|play|send|open|process|continue|"
    r"(?:see|view|hear) (?:any |the |your )?(?:image|picture|photo|screen|video|audio|link)|"
    r"make (?:purchases|calls|phone|reservations|bookings|payments))"
)
"""The same behind an apology."""
_SORRY = (
    rf"(?:{_CANNOT} {_DO}|as an ai|"
    r"(?:do not|don't) (?:have|understand|know|see)|(?:am not|'m not)|(?:would )?need|(?:could|did)(?: not|n't))"
)
REFUSALS: tuple[str, ...] = (
    rf"^(?:i'm|i am)(?: really| very| so| truly)? sorry[,.]? but (?:as an|it's not|i ?{_SORRY})",
    r"^(?:(?:i'm|i am)(?: really| very| so| truly)? sorry|sorry|unfortunately|apologies|my apologies|i apologi[sz]e)"
    rf"[,.]? (?:but )?(?:as an ai|i\b[^.!?]{{0,20}} ?{_CANNOT} {_DO})",
    rf"^i {_CANNOT} {_SERVE}",
    r"^i(?:'m| am) (?:unable|not able) to " + _DO,
    r"^(?:很|非常|十分|实在)?(?:抱歉|对不起|不好意思|遗憾)[^。！？\n]{0,30}(?:我|本)[^。！？\n]{0,12}(?:无法|不能|没有办法|没法|不可以|不会)",
    r"^我(?:无法|不能|没有办法)(?:为您|为你|直接)?(?:提供|回答|完成|协助|帮助|满足|执行|访问|判断|确定|生成)",
    r"^(?:lo siento|lamento),? (?:pero )?(?:como|no puedo)",
    r"^(?:je suis )?désolée?,? (?:mais )?(?:je ne peux pas|en tant que)",
    r"^es tut mir leid,? (?:aber )?(?:ich kann|als ki)",
    r"^ich kann (?:ihnen|dir) (?:dabei |damit )?nicht (?:helfen|weiterhelfen)",
    r"^(?:desculpe|sinto muito|lamento),? (?:mas )?(?:não posso|como)",
    r"^mi dispiace,? (?:ma )?(?:non posso|come)",
    r"^(?:извините|к сожалению|простите),? (?:но )?(?:я не могу|как)",
    r"^申し訳(?:ありません|ございません)が",
    r"^죄송(?:합니다|하지만)[^.]{0,40}(?:없습니다|모델)",
)
"""How a refusal begins, in lower case and with straight apostrophes."""
AS_AN_AI: tuple[str, ...] = (
    r"\bas an? (?:(?:helpful|responsible|ethical|unbiased|virtual) )?(?:ai|artificial intelligence)"
    r"(?:[- ](?:language model|assistant|model|chatbot|system|program))?(?:,| i\b| it is\b)",
    r"\b(?:as|i am|i'm) (?:an? )?(?:(?:ai|large)(?:[- ]based)? )?language model\b",
    r"(?:作为|我是|身为)(?:一|1)?(?:个|名|款|种|位)?(?:大型|大|虚拟)?(?:人工智能|ai|语言)(?:的)?(?:语言)?(?:大)?(?:模型|助手|助理|程序|系统|机器人)",
    r"\bcomo (?:un )?(?:modelo de lenguaje|(?:una )?inteligencia artificial|(?:una )?ia)\b",
    r"\ben tant qu(?:e |')(?:un )?(?:grand )?(?:modèle de langage|ia\b|intelligence artificielle|assistant ia)",
    r"\bals (?:ein )?(?:großes )?(?:ki|sprachmodell|ki-sprachmodell|künstliche intelligenz)\b",
    r"\bcomo (?:um )?modelo de linguagem|\bcomo (?:uma )?inteligência artificial",
    r"\b(?:come|in quanto) (?:un )?(?:modello linguistico|modello di linguaggio|intelligenza artificiale)",
    r"как (?:большая )?(?:языковая модель|искусственный интеллект|ии)\b|я (?:—|-)? ?языковая модель",
    r"(?:ai|大規模)?言語モデルとして|aiとして",
    r"(?:ai|인공지능) ?(?:언어 ?모델|어시스턴트|모델)(?:로서|입니다|이기)",
    r"\bals (?:een )?(?:ai-)?taalmodel\b",
    r"\bjako (?:duży )?(?:model językowy|sztuczna inteligencja)",
    r"\bbir (?:yapay zeka )?dil modeli (?:olarak|olduğum)",
    r"\blà một mô hình ngôn ngữ|\bsebagai (?:sebuah )?model bahasa|كنموذج لغ|एआई भाषा मॉडल",
)
_MODELS = (
    r"(?:chat-?gpt|gpt-?[345]\w*|claude|gemini|google bard|bard|llama|alpaca|vicuna|qwen|deepseek|mistral|grok|"
    r"open ?assistant|copilot|bing chat|ernie bot|yi-\w+|kimi|glm-?\d*|chatglm\w*|internlm|baichuan\w*)\b"
)
_MAKERS = (
    r"(?:openai|open ai|anthropic|google|deepmind|meta ai|microsoft|deepseek|alibaba|baidu|mistral ai|xai|"
    r"tencent|zhipu)"
)
_MODELS_ZH = (
    r"(?:chatgpt|gpt|claude|gemini|文心一言|通义千问|deepseek|豆包|kimi|智谱|chatglm|混元|讯飞星火|星火认知|书生|百川)"
)
_MAKERS_ZH = r"(?:openai|anthropic|谷歌|google|百度|阿里|腾讯|微软|字节|深度求索|智谱|科大讯飞|月之暗面)"
IDENTITIES: tuple[str, ...] = (
    r"\b(?:i am|i'm|my name is|you can call me|known as) (?:an? |the )?(?:ai |assistant |model )?(?:called |named )?"
    + _MODELS,
    rf"\b(?:i am|i'm|i was) [^.!?\n]{{0,60}}(?:developed|created|trained|made|built|designed) by {_MAKERS}\b",
    rf"(?:我是|我叫|我的名字是|我的名字叫)[^。！？\n]{{0,12}}{_MODELS_ZH}",
    rf"我[^。！？\n]{{0,20}}(?:由|是){_MAKERS_ZH}[^。！？\n]{{0,16}}(?:开发|训练|研发|创建|推出|打造|设计)",
)


def _any(patterns: tuple[str, ...]) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns)


def _opening(text: pl.Expr) -> pl.Expr:
    return text.str.strip_chars().str.head(OPENING_CHARACTERS).str.replace_all("[’‘`´]", "'").str.to_lowercase()


def refusal(rows: pl.DataFrame) -> pl.DataFrame:
    """Marks answers that refuse: rules `refuses`, `as an AI`."""
    opening = _opening(pl.col("answer"))
    rule = (
        pl.when(opening.str.contains(_any(REFUSALS)))
        .then(pl.lit("refuses"))
        .when(opening.str.contains(_any(AS_AN_AI)))
        .then(pl.lit("as an AI"))
    )
    return rows.select("row", rule=rule, said=excerpt(pl.col("answer"))).drop_nulls("rule").cast(MARKS)


def identity(rows: pl.DataFrame) -> pl.DataFrame:
    """Marks answers that say they are somebody's model: rule `identity`."""
    found = _opening(pl.col("response").str.head(4 * OPENING_CHARACTERS)).str.contains(_any(IDENTITIES))
    named = rows.filter(found)
    return named.select("row", rule=pl.lit("identity"), said=excerpt(pl.col("answer"))).cast(MARKS)
