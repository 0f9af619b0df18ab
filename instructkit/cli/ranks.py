"""Commands that several processes run together: started here, or by torchrun."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import click

from instructkit.errors import InstructkitError

if TYPE_CHECKING:
    from instructkit.train.step.ranks import Ranks


@contextmanager
def on_ranks() -> Iterator[Ranks | None]:
    """The ranks that this process belongs to; None for a process alone, which need not load torch for it.

    An error ends all of them with one message: what every rank raises is said by the first.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield None
        return
    from instructkit.train.step.ranks import SaidByTheFirst, is_lost, joined

    with joined() as ranks:
        try:
            yield ranks
        except InstructkitError as error:
            if isinstance(error.__cause__, SaidByTheFirst):
                sys.exit(error.exit_code)
            if ranks.first:
                raise
            raise error.at(f"rank {ranks.rank}") from None
        except RuntimeError as error:
            if not is_lost(error):
                raise
            click.echo(f"rank {ranks.rank} ends: another one has", err=True)
            sys.exit(1)


def launch(processes: int) -> NoReturn:
    """Run this very command in so many processes of this machine, as torchrun does, and exit as they do."""
    import logging

    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import get_args_parser, run

    words = [word for i, word in enumerate(sys.argv[1:], 1) if not _says_processes(sys.argv, i)]
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # the ranks say what is wrong
    given = ["--standalone", f"--nproc-per-node={processes}", "-m", "instructkit", *words]
    try:
        run(get_args_parser().parse_args(given))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        sys.exit(max(1, error.get_first_failure()[1].exitcode))
    except SignalException as error:
        sys.exit(128 + error.sigval)
    sys.exit(0)


def _says_processes(words: list[str], i: int) -> bool:
    return words[i].startswith("--processes") or words[i - 1] == "--processes"
