"""Where the time of rendering goes, in a process of its own: `python -m benchmarks.render.where PROJECT`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import orjson

from benchmarks.render.project import STEP
from benchmarks.render.ways import fresh_store
from instructkit.build.manifest import Manifest
from instructkit.recipe.recipe import load_recipe
from instructkit.stages.render.values import columns_of
from instructkit.templates.rendering import compiled
from instructkit.text.conversation import plain_hashes

ROUNDS = 5
TEMPLATE = "plain"


def where(project: Path) -> dict[str, float]:
    """CPU seconds of each part of the work on all shards, the best of some rounds; `apply` holds the parts in it."""
    recipe = load_recipe(project / f"recipes/{TEMPLATE}.yaml")
    (stage,) = recipe.steps[STEP].runs
    manifest = msgspec.json.decode((project / "build/raw/manifest.json").read_bytes(), type=Manifest)
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        took: dict[str, float] = {}

        def timed(name: str, work: Callable[[], object], took: dict[str, float] = took) -> object:
            start = time.process_time()
            result = work()
            took[name] = took.get(name, 0.0) + time.process_time() - start
            return result

        with fresh_store(project) as store:
            for ref in manifest.steps["raw"].kept:
                shard = store.get_shard(ref)
                timed("read", lambda ref=ref, store=store: store.get_shard(ref))
                template = compiled(stage.template, stage.sources)
                assert template.direct is not None
                columns = columns_of(template, shard)
                timed("inputs", lambda template=template, shard=shard: columns_of(template, shard))
                contents = template.direct.render(columns, [0] * shard.height)
                timed("texts", lambda t=template, c=columns, n=shard.height: t.direct.render(c, [0] * n))
                timed("hashes", lambda roles=template.roles, contents=contents: plain_hashes(roles, contents))
                del columns, contents
                kept = stage.apply(shard).kept
                timed("apply", lambda shard=shard: stage.apply(shard))
                timed("write", lambda store=store, kept=kept: store.put_shard(kept))
        best = {name: min(seconds, best.get(name, seconds)) for name, seconds in took.items()}
    return best


if __name__ == "__main__":
    print(orjson.dumps(where(Path(sys.argv[1]))).decode())
