"""Audits of rows with planted faults: each kind is found where it was planted, and nothing else is."""

import json
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.audit import ground
from instructkit.audit.checks import CHECKS
from instructkit.audit.labels import labelling
from instructkit.audit.run import audit
from instructkit.errors import InputError, UsageFault

WORDS = """
harbour winter letter garden engine river market teacher window bridge morning village winter kitchen forest
doctor station orchard lantern captain mountain barrel weather journey blanket feather machine copper painter
evening carries opened followed repaired measured remembered crossed painted borrowed counted watched finished
visited quickly slowly together before behind around without against between almost always never often gently
already small heavy yellow broken quiet early distant careful wooden narrow empty friendly ancient bright
honest modern
""".split()  # noqa: SIM905  a list of them would be two pages
SMALL = ["the", "a", "and", "of", "to", "in", "with", "for", "that", "was", "is", "it", "his", "her", "their", "from"]


def sentences(seed, count):
    """So many sentences of English words that no other seed gives."""
    draw = Random(f"sentences {seed}")
    made = []
    for _ in range(count):
        words = [draw.choice(SMALL if n % 3 == 0 else WORDS) for n in range(draw.randint(9, 14))]
        made.append(" ".join(words).capitalize() + ".")
    return " ".join(made)


def clean(seed, **changes):
    """A row with which nothing is wrong."""
    return {"instruction": sentences(f"q{seed}", 2), "output": sentences(f"a{seed}", 3)} | changes


def prose(seed):
    """The beginning of an answer that goes on."""
    return sentences(seed, 3)


LONG = sentences("long", 2)
FENCE = "```"
PLANTED = {
    "unknown role": ("format", "unknown_role", {"messages": [{"role": "narrator", "content": "Once."}]}),
    "order": ("format", "role_order", {"messages": [{"role": "assistant", "content": "Hello there."}]}),
    "number for text": ("format", "content_not_text", {"instruction": "Add.", "output": 4}),
    "empty answer": ("empty", "empty_answer", clean("e1", output="  \n")),
    "empty answer of a pair": ("empty", "empty_answer", {"question": LONG, "answer": " "}),
    "null answer of a pair": ("empty", "empty_answer", {"question": LONG, "answer": None}),
    "empty prompt": ("empty", "empty_prompt", clean("e2", instruction="")),
    "weight 0": (
        "untrained",
        "weights",
        {"messages": [{"role": "user", "content": LONG}, {"role": "assistant", "content": prose(1), "weight": 0}]},
    ),
    "empty text": ("untrained", "empty text", {"text": " \n"}),
    "open fence": ("cut", "code block", clean("c1", output=f"{prose(2)}\n{FENCE}python\nprint(1)")),
    "comma": ("cut", "open end", clean("c2", output=f"{prose(3)} First we took the lantern,")),
    "and": ("cut", "open end", clean("c3", output=f"{prose(4)} We saw the harbour and")),
    "Chinese comma": (
        "cut",
        "open end",
        clean("c4", instruction="描述春天的景色和人们的活动，写一段话。", output="春天来了，" * 9),
    ),
    "bracket": ("cut", "bracket", clean("c5", output=f"{prose(5)} We crossed it (as the captain had")),
    "no full stop": ("cut", "no full stop", clean("c6", output=f"{prose(6)[:-1]} while the captain was reme")),
    "echo": ("echo", "repeats", clean("h1", output=clean("h1")["instruction"].upper())),
    "begins with prompt": ("echo", "begins with", clean("h2", output=f"{clean('h2')['instruction']} {prose(7)}")),
    "I cannot": ("refusal", "refuses", clean("r1", output=f"I'm sorry, but I can’t help with that. {prose(8)}")),
    "I'm sorry, I'm unable": (
        "refusal",
        "refuses",
        clean("r6", output=f"I'm sorry, I'm not able to really help with that. {prose(51)}"),
    ),
    "no access": ("refusal", "refuses", clean("r7", output=f"I’m sorry, but I don't have access to it. {prose(52)}")),
    "cannot fulfil": ("refusal", "refuses", clean("r8", output=f"I cannot fulfill this request. {prose(53)}")),
    "unfortunately": (
        "refusal",
        "refuses",
        clean("r9", output=f"Unfortunately, I cannot recommend any of them. {prose(54)}"),
    ),
    "as an AI": ("refusal", "as an AI", clean("r2", output=f"As an AI language model, I have no harbour. {prose(9)}")),
    "als KI": (
        "refusal",
        "as an AI",
        clean(
            "r3",
            instruction="Welche Farbe magst du am liebsten, und warum gerade die?",
            output="Als KI-Sprachmodell habe ich keine Farbe, die ich am liebsten mag.",
        ),
    ),
    "作为": (
        "refusal",
        "as an AI",
        clean(
            "r4",
            instruction="请问你最喜欢的颜色是什么，为什么喜欢它呢？",
            output="作为一个人工智能语言模型，我没有个人喜好，也没有喜欢的颜色。",
        ),
    ),
    "很抱歉": (
        "refusal",
        "refuses",
        clean(
            "r5",
            instruction="请告诉我今天北京的天气怎么样，要不要带伞？",
            output="很抱歉，我无法获取实时的天气信息，请您查看天气预报。",
        ),
    ),
    "OpenAI": ("identity", "identity", clean("i1", output=f"I am a model that was trained by OpenAI. {prose(10)}")),
    "ChatGPT": ("identity", "identity", clean("i2", output=f"My name is ChatGPT. {prose(11)}")),
    "通义千问": (
        "identity",
        "identity",
        clean(
            "i3",
            instruction="请介绍一下你自己，你叫什么名字，是谁开发的？",
            output="我是通义千问，很高兴能够帮助你解决各种各样的问题。",
        ),
    ),
    "end token": ("control_token", "token", clean("t1", output=f"{prose(12)}<|im_end|>")),
    "heading": ("control_token", "token", clean("t2", instruction=f"{LONG[:40]}\n### Response: go on.")),
    "other turns": (
        "control_token",
        "turn",
        clean("t3", output=f"{prose(13)}\nHuman: and then?\nAssistant: It ended."),
    ),
    "name": ("placeholder", "placeholder", clean("p1", output=f"Hello, I am {{{{ name }}}}. {prose(14)}")),
    "lorem": ("placeholder", "placeholder", clean("p2", output=f"Lorem ipsum dolor sit amet. {prose(15)}")),
    "None": ("placeholder", "says nothing", clean("p4", output="None")),
    "in finance": ("placeholder", "says nothing", clean("p5", instruction="What is finance, in short?", output="nan")),
    "a token where tokens are spoken of": (
        "control_token",
        "token",
        clean("t4", instruction="What is a token, in short?", output=f"{prose(55)}<|im_end|>"),
    ),
    "nan": ("placeholder", "says nothing", clean("p3", output="nan")),
    "mojibake": ("mojibake", "decoded wrongly", clean("m1", output=f"It isnâ€™t the harbour. {prose(16)}")),
    "lost character": ("mojibake", "U+FFFD", clean("m2", output=f"The caf\ufffd was empty. {prose(17)}")),
    "French": (
        "language",
        "en → fr",
        clean(
            "l1",
            output="Le bateau est arrivé au port hier soir, et tout le village "
            "est venu voir le capitaine descendre avec ses marins fatigués.",
        ),
    ),
    "English for Chinese": (
        "language",
        "zh → en",
        clean("l2", instruction="请写一段关于春天的景色和人们活动的短文。", output=prose(18)),
    ),
    "br": ("html", "html", clean("w1", output=f"{prose(19)}<br/>{prose(20)}")),
    "entity": ("html", "html", clean("w2", output=f"Bread &amp; butter. {prose(21)}")),
}
FINE = {
    "a list": clean("f1", output=f"{prose(30)}\n- the heavy lantern on the table\n- the narrow bridge over the river"),
    "a numbered list": clean("f2", output=f"{prose(31)}\n1. the heavy lantern on the old table\n2) the narrow bridge"),
    "a table": clean("f3", output=f"{prose(32)}\n| a | b |\n|---|---|\n| the lantern and the bridge | two of them |"),
    "code": clean("f4", output=f"{prose(33)}\n{FENCE}html\n<br/> {{{{ name }}}} <|im_end|>\n{FENCE}"),
    "an interval": clean("f5", output=f"{prose(34)} It lies in [0, 1) of the scale."),
    "a hashtag": clean("f6", output=f"{prose(35)} What a morning it was at the harbour #evening"),
    "a link": clean("f7", output=f"{prose(36)} See https://example.org/harbour"),
    "a label": clean("f8", output="positive"),
    "a greeting": clean("f9", instruction="Hello there!", output="Hello there!"),
    "takes up the question": clean(
        "f10", instruction="the five steps of a journey", output=f"The five steps of a journey are these: {prose(37)}"
    ),
    "sorry": clean("f11", output=f"She said that she was sorry, but the engine was broken. {prose(38)}"),
    "cannot recommend enough": clean("f18", output=f"I cannot recommend this place enough. {prose(41)}"),
    "cannot help it": clean("f19", output=f"I can't help but wonder at the harbour. {prose(42)}"),
    "a letter": clean("f20", output=f"I'm sorry I can't be there tonight, my love. {prose(43)}"),
    "another letter": clean("f21", output=f"Unfortunately, I can't come to the harbour. {prose(44)}"),
    "asks about a token": clean(
        "f22",
        instruction="Explain the <|endoftext|> token.",
        output=f"The <|endoftext|> token ends a text. {prose(45)}",
    ),
    "asks what a token means": clean("f23", instruction="What does </s> mean, in short?"),
    "asks about None": clean("f24", instruction="What stands for nothing in Python, None or zero?", output="None"),
    "asks about N/A": clean("f25", instruction="Is 'N/A' an answer to a question for the name?", output="N/A"),
    "nothing to extract": clean("f26", instruction=f"Extract all names of doctors: {prose(46)}", output="None"),
    "asks for a template": clean(
        "f27", instruction="Write a mustache template for a greeting.", output="Hello {{name}}, welcome to {{place}}!"
    ),
    "an AI in a story": clean("f12", output=f"{sentences('far', 8)} The machine said: as an AI, I must decline."),
    "about OpenAI": clean("f13", output=f"The market remembered a model that was trained by OpenAI. {prose(39)}"),
    "asks for HTML": clean("f14", instruction="Write an HTML list.", output="<ul><li>harbour</li><li>river</li></ul>"),
    "translation": clean(
        "f15",
        instruction="Translate into French: The boat came to the harbour in the evening.",
        output="Le bateau est arrivé au port dans la soirée, et il y est resté toute la nuit.",
    ),
    "a question about a foreign text": clean(
        "f16",
        instruction=f"{prose(40)}\nLe bateau est arrivé au port dans la soirée.",
        output="Le bateau est arrivé au port dans la soirée, et il y est resté toute la nuit.",
    ),
    "quoted Chinese": clean(
        "f17",
        instruction="写一首关于春天的短诗，要有四行。",
        output="春风吹过山岗，花开满地芬芳，燕子归来筑巢，人间处处春光。",
    ),
}


@pytest.fixture
def audited(tmp_path):
    """`audited(rows, name="x.jsonl", …)`: the audit of rows that lie in a file."""

    def run(*rows, name="rows.jsonl", **options):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return audit([str(tmp_path / name)], **options)

    return run


@pytest.fixture
def folder(tmp_path):
    """`folder(train=[rows], test=[rows])`: a folder with a file for each."""

    def make(name="set", **files):
        place = tmp_path / name
        place.mkdir()
        for split, rows in files.items():
            (place / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(place)

    return make


def said(found):
    """Check → rule → lines, of what an audit names."""
    lines = {}
    for finding in found.findings:
        for row in finding.rows:
            lines.setdefault(finding.check, {}).setdefault(row.rule, []).append(row.line)
    return lines


BASE = [clean(seed) for seed in range(40)]


def test_clean_rows_give_a_clean_verdict(audited):
    found = audited(*BASE)
    assert (found.verdict, found.rows, found.conversations, found.findings) == ("clean", 40, 40, [])
    assert found.rows_with == {"error": 0, "warning": 0, "note": 0}
    assert found.formats == {"alpaca": 40}


def test_each_planted_fault_is_found_and_nothing_else(audited):
    found = audited(*BASE, *(row for _, _, row in PLANTED.values()), named=99)
    expected = {}
    for line, (check, rule, _) in enumerate(PLANTED.values(), len(BASE) + 1):
        expected.setdefault(check, {}).setdefault(rule, []).append(line)
    assert said(found) == expected
    assert found.verdict == "errors"
    assert all(row.said for finding in found.findings for row in finding.rows)


def test_what_only_looks_like_a_fault_is_none(audited):
    assert said(audited(*BASE, *FINE.values(), named=99)) == {}


def test_no_full_stop_counts_only_where_others_have_one(audited):
    bare = [clean(seed, output=f"{prose(f'bare{seed}')[:-1]} at the harbour") for seed in range(40)]
    assert audited(*bare).findings == []


@pytest.mark.parametrize(
    ("cut", "measured", "rule"),
    [
        (lambda text: text[:300], len, "all at 300 characters"),
        (lambda text: " ".join(text.split()[:50]), lambda text: 6 * len(text.split()), "all at 50 words"),
    ],
)
def test_answers_of_one_greatest_length_are_cut(audited, cut, measured, rule):
    rows = [clean(seed, output=sentences(f"o{seed}", 1 + seed % 8)) for seed in range(80)]
    rows = [row | {"output": cut(row["output"]).replace(".", ";")} for row in rows]
    found = audited(*rows, named=99)
    there = [line for line, row in enumerate(rows, 1) if measured(row["output"]) == 300]
    assert len(there) > 20
    marked = said(found)["cut"]
    assert sorted(line for lines in marked.values() for line in lines if line in there) == there
    assert rule in marked


def test_copies_are_told_from_near_duplicates_and_like_prompts(audited):
    first = clean("first", output=sentences("answer", 6))
    nearly = first | {"output": first["output"].replace(first["output"].split()[7], "lantern", 1)}
    other = first | {"output": sentences("other", 6)}
    asked = {"instruction": sentences("long prompt", 8), "output": sentences("one", 3)}
    asks_alike = asked | {"instruction": asked["instruction"] + " Go on.", "output": sentences("two", 3)}
    found = audited(*BASE, first, first, nearly, other, asked, asks_alike)
    lines = said(found)
    assert lines["duplicate"] == {"copy": [42]}
    assert [line for some in lines["near_duplicate"].values() for line in some] == [43]
    assert lines["same_prompt"] == {"same prompt": [44]}
    assert [line for some in lines["near_prompt"].values() for line in some] == [46]
    assert found.verdict == "warnings"
    assert found.rows_with == {"error": 0, "warning": 2, "note": 2}
    assert [cluster.rows for cluster in found.clusters] == [3]
    copy = next(each for each in found.findings if each.check == "duplicate")
    assert copy.rows[0].said.endswith("rows.jsonl:41")


def talk(*texts, system=None):
    """A conversation: what the user and the assistant say in turn."""
    turns = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]
    return {"messages": [{"role": "system", "content": system}] * (system is not None) + turns}


def test_the_same_under_another_system_prompt_is_a_copy(audited):
    rows = [talk("What is the capital of Peru?", "Lima."), talk("Say it again, please.", "Gladly.", system="Be kind.")]
    again = [talk("What is the capital of Peru?", "Lima.", system="Be kind."), talk("Say it again, please.", "Gladly.")]
    other = talk("What is the capital of Chad?", "N'Djamena.", system="Be kind.")
    found = audited(*rows, *again, other, rows[0])
    assert said(found) == {"duplicate": {"other system prompt": [3, 4], "copy": [6]}}
    assert next(row.said for row in found.findings[0].rows if row.line == 3).endswith("rows.jsonl:1")


def test_the_beginning_of_a_longer_conversation_is_a_copy_of_it(audited):
    texts = [sentences(f"turn {n}", 1) for n in range(6)]
    whole = talk(*texts)
    found = audited(talk(*texts[:2]), talk(*texts[:4], system="Be kind."), whole, talk(*texts[2:4]), *BASE)
    assert said(found) == {"duplicate": {"beginning": [1, 2]}}
    words = found.findings[0].rows[0].said
    assert words.startswith("begins ")
    assert words.endswith("rows.jsonl:2")


def test_questions_about_one_passage_are_no_near_duplicates(audited):
    passage = sentences("passage", 10)
    rows = [{"context": passage, "question": f"Who {word}?", "answer": sentences(word, 1)} for word in WORDS[:5]]
    assert set(said(audited(*rows))) == {"near_prompt"}


def test_rows_of_one_template_are_no_near_duplicates(audited):
    says = sentences("instruction", 6)
    rows = [
        clean(n, instruction=f"{says} {sentences(f'x{n}', 1)}", output=("positive", "negative")[n % 2])
        for n in range(120)
    ]
    assert set(said(audited(*rows))) == {"one_template"}


def test_many_near_copies_of_one_text_are_a_cluster_though_each_word_of_it_stands_in_many(audited):
    asked, replied = sentences("page", 8).split(), sentences("answer", 2)
    rows = []
    for n in range(90):
        changed = [*asked]
        changed[n % 70] = f"changed{n}"
        rows.append({"instruction": " ".join(changed), "output": replied})
    found = audited(*BASE, *rows)
    (finding,) = (each for each in found.findings if each.check == "near_duplicate")
    assert finding.count > 80
    assert found.clusters[0].rows > 80
    replies = [row | {"output": sentences(f"reply {n}", 1)} for n, row in enumerate(rows)]
    assert {"near_prompt"} <= set(said(audited(*replies))) <= {"near_prompt", "one_template"}


@pytest.mark.parametrize("word", ["short", "{}"])
def test_a_template_with_a_word_to_fill_in_makes_no_rows_alike(audited, word):
    shots = [f"Input: {sentences(f'shot{n}', 1)} Output: {word}" for n in range(4)]
    rows = []
    for n in range(120):
        Random(n).shuffle(shots)
        asked = f"{sentences('instruction', 5)} {' '.join(shots)} Input: name{n} thing{n} Output:"
        rows.append({"instruction": asked, "output": ("positive", "negative")[n % 2]})
    assert set(said(audited(*BASE, *rows))) <= {"one_template"}


def test_what_the_system_says_in_every_row_makes_no_rows_alike(audited):
    system = sentences("system", 30)
    rows = [{"system": system, **clean(n, output=("positive", "negative")[n % 2])} for n in range(30)]
    found = audited(*rows * 4)
    assert set(said(found)) == {"duplicate"}
    assert said(audited(*rows)) == {}
    assert found.profile.wordings.free == 120


def test_a_long_label_is_no_answer_that_was_cut(audited):
    labels = ("Sports and recreation in the open air", "Politics", "Business")
    assert said(audited(*(clean(n, output=labels[n % 3]) for n in range(90)))) == {}


def test_rows_in_two_splits_are_errors(folder):
    train = BASE[:30]
    near = train[4]["instruction"].split()
    test = [
        train[0],
        train[1] | {"output": sentences("else", 3)},
        train[4] | {"instruction": " ".join([*near[:-1], "lantern."])},
        clean("new"),
    ]
    found = audit([folder(train=train, test=test)], named=99)
    (leak,) = (finding for finding in found.findings if finding.check == "leak")
    assert {(row.line, row.split) for row in leak.rows} == {(1, "test"), (2, "test"), (3, "test")}
    assert leak.rules == {"same conversation": 1, "same prompt": 1, "nearly the same conversation": 1}
    assert found.splits == {"train": 30, "test": 4}
    assert next(row for row in leak.rows if row.line == 1).said.endswith("set/train.jsonl:1 of train")


def test_splits_that_share_nothing_do_not_leak(folder):
    assert audit([folder(train=BASE[:30], test=BASE[30:])]).findings == []


def test_rows_of_an_evaluation_are_errors(folder):
    exam = [{"question": sentences(f"exam{n}", 2), "answer": sentences(f"solution{n}", 2)} for n in range(20)]
    held = clean("held", instruction=f"{prose(50)} {exam[3]['question'].upper()}")
    answered = clean("answered", output=exam[5]["answer"])
    place = folder(train=[*BASE, held, answered])
    evaluation = folder(name="exam", questions=exam)
    found = audit([place], against=[evaluation])
    (hit,) = (finding for finding in found.findings if finding.check == "contaminated")
    assert {row.line: row.rule for row in hit.rows} == {41: "prompt", 42: "answer"}
    assert next(row for row in hit.rows if row.line == 41).said.endswith("exam/questions.jsonl:4, score 1.0")
    assert "of 20 evaluation rows 2 were found here" in found.said


def test_an_evaluation_is_not_compared_with_itself(folder):
    exam = [{"question": sentences(f"exam{n}", 2), "answer": sentences(f"solution{n}", 2)} for n in range(20)]
    place = folder(train=BASE, test=exam)
    found = audit([place], against=[f"{place}/test.jsonl"])
    assert found.verdict == "clean"
    assert any("not compared" in text and "test.jsonl" in text for text in found.said)


def test_prompts_in_one_wording_are_a_finding_that_names_it(audited):
    rows = [
        clean(seed, instruction=f"Say in a word how this is meant: {sentences(f'p{seed}', 2)} Answer:")
        for seed in range(80)
    ]
    found = audited(*rows, *BASE)
    (finding,) = found.findings
    assert (finding.check, finding.count) == ("one_template", 80)
    wordings = found.profile.wordings
    assert wordings.most[0].text == "say in a word how this is meant: … answer:"
    assert (wordings.most[0].rows, wordings.half, wordings.free) == (80, 1, 40)


def test_free_prompts_have_no_wording(audited):
    found = audited(*(clean(seed) for seed in range(120)))
    assert found.profile.wordings.free == 120
    assert found.profile.wordings.ninety == 108


def test_a_chat_template_says_which_rows_train_nothing(audited, tmp_path):
    template = tmp_path / "refuses.jinja"
    template.write_text(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
        "<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    asked = {"role": "user", "content": sentences("u", 2)}
    system = {
        "messages": [{"role": "system", "content": "Be kind."}, asked, {"role": "assistant", "content": prose(60)}]
    }
    found = audited(*BASE, system, labels=labelling(None, str(template)))
    (finding,) = found.findings
    assert (finding.check, finding.count, finding.rows[0].line) == ("untrained", 1, 41)
    assert "no system here" in finding.rows[0].said
    assert found.profile.tokens is None


def test_a_model_counts_tokens_and_says_what_is_too_long(audited, tmp_path):
    tokenizer = labelling(None, "chatml").chat.tokenizer
    tokenizer.model_max_length = 1500
    tokenizer.save_pretrained(tmp_path / "model")
    found = audited(
        *BASE, clean("long", output=sentences("very long", 30)), labels=labelling(str(tmp_path / "model"), None)
    )
    (finding,) = found.findings
    assert (finding.check, finding.rules) == ("overlong", {"over 1,500 tokens": 1})
    assert found.profile.tokens.longest > 1500
    assert found.profile.supervised_tokens.sum < found.profile.tokens.sum


@pytest.mark.parametrize("template", ["{{ messages }}", "{% for m in messages %}{{ m.content }}{% endfor %}"])
def test_a_chat_template_that_cannot_be_trained_on_is_the_callers_fault(tmp_path, template):
    (tmp_path / "bad.jinja").write_text(template)
    with pytest.raises(UsageFault, match=r"bad\.jinja"):
        labelling(None, str(tmp_path / "bad.jinja"))


def test_plain_texts_are_rows_too(audited):
    found = audited(*({"text": sentences(f"t{n}", 6)} for n in range(20)), labels=labelling(None, "chatml"))
    assert (found.verdict, found.formats) == ("clean", {"text": 20})


def test_of_a_build_its_export_is_read_and_nothing_leaks(built):
    found = audit([str(built.folder)])
    assert (found.formats.keys(), set(found.splits)) == ({"openai"}, {"train", "validation", "test"})
    assert "leak" not in said(found)


def test_several_paths_are_one_dataset(folder, tmp_path):
    one, two = folder("one", rows=BASE[:20]), folder("two", rows=[*BASE[20:], BASE[0]])
    found = audit([one, two])
    assert (found.rows, found.files) == (41, 2)
    (finding,) = found.findings
    assert finding.rows[0].file.endswith("two/rows.jsonl")
    assert finding.rows[0].said.endswith("one/rows.jsonl:1")


def test_files_without_rows_are_named(folder):
    found = audit([folder(train=BASE, empty=[])])
    assert [text for text in found.said if "empty.jsonl" in text] == ["without any row: set/empty.jsonl"]
    assert audit([folder("full", train=BASE)]).said == []


def test_no_rows_at_all_is_an_error(audited):
    with pytest.raises(InputError, match="no rows"):
        audited()


def test_columns_can_be_named(audited):
    rows = [{"riddle": row["instruction"], "solved": row["output"]} for row in BASE]
    assert audited(*rows).verdict == "errors"
    assert audited(*rows, given={"prompt": "riddle", "answer": "solved"}).verdict == "clean"


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*PLANTED, *FINE, "broken", "clean"]), min_size=1, max_size=30))
def test_counts_add_up(tmp_path, names):
    kinds = {**{name: row for name, (_, _, row) in PLANTED.items()}, **FINE, "clean": BASE[0]}
    lines = ["{broken" if name == "broken" else json.dumps(kinds[name]) for name in names]
    (tmp_path / "mixed.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = audit([str(tmp_path / "mixed.jsonl")], named=50)
    faulty = sum(finding.count for finding in found.findings if finding.check in ("format", "empty"))
    assert found.rows == len(names) == sum(found.formats.values()) == sum(found.splits.values())
    assert found.rows == found.conversations + faulty
    assert sum(found.profile.turns.values()) == found.conversations
    assert found.profile.languages.looked_at == sum(found.profile.languages.answers.values()) == found.conversations
    for finding in found.findings:
        assert finding.count == sum(finding.rules.values()) == len(finding.rows) <= found.rows
        assert finding.severity == CHECKS[finding.check].severity
    marked = {severity: set() for severity in ("error", "warning", "note")}
    for finding in found.findings:
        marked[finding.severity] |= {row.line for row in finding.rows}
    marked["warning"] -= marked["error"]
    marked["note"] -= marked["error"] | marked["warning"]
    assert found.rows_with == {severity: len(lines) for severity, lines in marked.items()}
    worst = next((severity for severity in ("error", "warning") if marked[severity]), None)
    assert found.verdict == {"error": "errors", "warning": "warnings", None: "clean"}[worst]


def test_the_same_rows_give_the_same_audit_whatever_the_blocks(audited, monkeypatch):
    rows = [*BASE, *(row for _, _, row in PLANTED.values()), *FINE.values(), BASE[3]]
    once = audited(*rows)
    monkeypatch.setattr(ground, "BLOCK_ROWS", 7)
    assert json.dumps(audited(*rows).as_json()) == json.dumps(once.as_json())


def test_only_so_many_rows_are_named_of_each_rule(audited):
    found = audited(*BASE, *(clean(f"n{n}", output="nan") for n in range(6)), named=2)
    (finding,) = found.findings
    assert finding.count == 6
    assert [row.line for row in finding.rows] == [41, 42]


def test_every_check_is_planted_somewhere():
    elsewhere = {
        "leak",
        "contaminated",
        "overlong",
        "duplicate",
        "near_duplicate",
        "one_template",
        "same_prompt",
        "near_prompt",
    }
    assert {check for check, _, _ in PLANTED.values()} | elsewhere == set(CHECKS)
