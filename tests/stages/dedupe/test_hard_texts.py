"""Texts of many scripts, of none, of great length, and corpora made to cost a square."""

import random
import subprocess
import sys

import polars as pl
import pytest

from instructkit.stages.dedupe import members
from instructkit.stages.dedupe.exact import DedupeExact
from instructkit.stages.dedupe.minhash import DedupeMinhash

PAIRS_A_TEXT = 40 * DedupeMinhash().banding.bands
"""Pairs that a text of large buckets is in, at most: with hubs and neighbours, in each band."""

SCRIPTS = {
    "Chinese": "月亮的引力使海水发生周期性的涨落，叫做潮汐。地球上大部分海岸每天有两次高潮和两次低潮。",
    "Japanese": "月の引力によって海水が周期的に上下する現象を潮汐といいます。満潮と干潮は一日に二回起こります。",
    "Thai": "แรงดึงดูดของดวงจันทร์ทำให้น้ำทะเลขึ้นและลงเป็นระยะเรียกว่าน้ำขึ้นน้ำลงวันละสองครั้ง",
    "Korean": "달의 인력 때문에 바닷물이 주기적으로 오르내리는 현상을 조석이라고 한다 대부분의 해안에서는 "
    "하루에 두 번씩 밀물과 썰물이 일어나며 그 간격은 약 열두 시간이다 어부들은 예부터 이 시각을 외우고 살았다",
    "mixed": "The tide (潮汐) rises twice a day; 매일 두 번 바닷물이 오른다 and 満潮と干潮は一日に二回起こります, "
    "as every sailor of the harbour knows by heart.",
    "emoji": "🌊 the sea 🌕 the moon 👩‍🚀 rises 🇫🇷 twice 🐟 a day and 🦀 falls 🐚 twice 🌊 a night 🧭 here ⚓ now 🛟",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_small_change_is_a_near_duplicate_in_any_script_and_another_text_is_none(documents, run_corpus_stage, script):
    text = SCRIPTS[script]
    others = [other for name, other in SCRIPTS.items() if name != script]
    kept, dropped = run_corpus_stage(DedupeMinhash(threshold=0.7), [documents(text, f"{text} 🦭", *others)])
    assert dropped["id"].to_list() == ["d1"]
    assert 0.7 <= float(dropped["value"][0]) < 1
    assert kept.height == 1 + len(others)


@pytest.mark.parametrize("stage", [DedupeExact(), DedupeMinhash()])
def test_texts_of_next_to_nothing_are_like_their_equals_alone(documents, run_corpus_stage, stage):
    texts = ["", "yes", "no", "...", "?!", "👍", "👎", "。", "月", "\u200b", "é"]
    kept, dropped = run_corpus_stage(stage, [documents(*texts, *texts)])
    assert kept["text"].to_list() == texts
    assert dropped["detail"].str.extract("kept '(d[0-9]+)'").to_list() == [f"d{n}" for n in range(len(texts))]


@pytest.mark.parametrize(
    ("ignore", "one", "other"),
    [
        ((), "cafe\u0301", "caf\u00e9"),
        (("case",), "Straße ΣΟΦΟΣ", "straße σοφος"),
        (("whitespace",), " a\u3000b\n\tc ", "a b c"),
        (("punctuation", "whitespace"), "well-known: “so”, he said.", "well known so he said"),
        (("digits",), "in 1999 and ٣٤", "in 7 and 2024"),
        (("diacritics",), "naïve Ångström Việt", "naive Angstrom Viet"),
    ],
)
@pytest.mark.parametrize("stage", [DedupeExact, DedupeMinhash])
def test_what_is_ignored_does_not_count_and_what_is_not_does(documents, run_corpus_stage, stage, ignore, one, other):
    assert run_corpus_stage(stage(ignore=ignore), [documents(one, other)])[0]["id"].to_list() == ["d0"]
    if ignore and stage is DedupeExact:
        assert run_corpus_stage(stage(ignore=()), [documents(one, other)])[1].is_empty()


@pytest.mark.parametrize("stage", [DedupeExact(), DedupeMinhash()])
def test_of_a_hundred_thousand_copies_one_stays(documents, run_corpus_stage, stage):
    shard = documents("one text that stands in very many places of the corpus")
    shard = shard.select(pl.all().repeat_by(100_000).explode()).with_columns(
        id=pl.format("d{}", pl.int_range(100_000)),
    )
    kept, dropped = run_corpus_stage(stage, [shard[:30_000], shard[30_000:]])
    assert kept["id"].to_list() == ["d0"]
    assert dropped.height == 99_999


@pytest.fixture
def pairs_verified(monkeypatch):
    """Numbers of pairs that were compared shingle by shingle, one for each decision."""
    counts = []
    decide = members.near_duplicates

    def watched(*args):
        found = decide(*args)
        counts.append(found.verified)
        return found

    monkeypatch.setattr(members, "near_duplicates", watched)
    return counts


@pytest.mark.parametrize(
    ("texts", "shared", "own"),
    [
        pytest.param(20_000, 100, 40, id="license header"),
        pytest.param(5_000, 100, 24, id="same buckets, just unlike"),
    ],
)
def test_texts_that_share_much_and_are_unlike_all_stay_and_cost_no_square(
    documents, run_corpus_stage, pairs_verified, texts, shared, own
):
    draw = random.Random(0)
    words = [f"w{n}" for n in range(5000)]
    header = " ".join(draw.choices(words, k=shared))
    shard = documents(*(f"{header} {' '.join(draw.choices(words, k=own))}" for _ in range(texts)))
    kept, dropped = run_corpus_stage(DedupeMinhash(), [shard])
    assert kept.equals(shard)
    assert dropped.is_empty()
    assert 0 < pairs_verified[0] <= PAIRS_A_TEXT * texts < texts**2 / 4


LONG = """\
import random
from instructkit.schema import Document, Origin, frame
from instructkit.stages.dedupe.minhash import DedupeMinhash

def documents(texts):
    places = [Origin(file="f", line=n + 1) for n in range(len(texts))]
    rows = [
        Document(id=f"d{n}", source="s", origin=place, text=text, group=f"g{n}")
        for n, (place, text) in enumerate(zip(places, texts))
    ]
    return frame(Document, rows)

def decided(texts):
    shard, stage = documents(texts), DedupeMinhash()
    kept, dropped = stage.apply(shard, stage.decide(stage.sketch(shard).lazy(), shard.lazy()))
    return dropped["id"].to_list()

def peak():
    # Not getrusage: a process begins with the peak of the one that it was forked from.
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024

small = [f"text {n} of a few words" for n in range(100)]
words = random.Random(0).choices([f"word{n}" for n in range(100_000)], k=5_300_000)
long = " ".join(words)
words[1000] = "changed"
changed = " ".join(words)
del words
decided(small)
before = peak()
dropped = decided([*small, long, *small, changed])
assert dropped == [f"d{n}" for n in range(101, 202)], dropped
print(len(long), peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_two_texts_of_fifty_megabytes_beside_small_ones_take_memory_in_proportion(environment):
    said = subprocess.run([sys.executable, "-c", LONG], env=environment, check=True, capture_output=True, text=True)
    size, taken = map(int, said.stdout.split())
    assert size > 50e6
    assert taken < 20 * size
