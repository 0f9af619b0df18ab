"""`instructkit generate`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from instructkit.cli.options import build_option, model_path, open_build


@click.command()
@click.argument("model")
@click.argument("prompt", required=False)
@build_option
@click.option("--system", help="A system message before the prompt.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), default=256, show_default=True, help="Longest reply.")
@click.option(
    "--temperature", type=click.FloatRange(min=0, min_open=True), help="Sample. Default: the likeliest token each time."
)
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Sample from the likeliest tokens that make up this share.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the sampling.")
def generate(
    model: str,
    prompt: str | None,
    build_path: Path | None,
    system: str | None,
    max_new_tokens: int,
    temperature: float | None,
    top_p: float,
    seed: int,
) -> None:
    """Let MODEL (a folder, a hub name, or a training of the build) answer PROMPT, or what comes on standard input."""
    from instructkit.build.build import last_build
    from instructkit.errors import UsageFault
    from instructkit.evaluate.generate import generate as reply
    from instructkit.schema import Message

    if prompt is None:
        if sys.stdin.isatty():
            raise UsageFault("no prompt: give one as an argument or on standard input")
        prompt = sys.stdin.read()
    if not Path(model).is_dir() and (build_path or last_build(Path("build"))):
        model = model_path(open_build(build_path).folder, model)
    conversation = [Message(role="system", content=system)] if system else []
    conversation.append(Message(role="user", content=prompt))
    answer = reply(model, conversation, max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, seed=seed)
    click.echo(answer.text)
    if not answer.stopped:
        click.echo(f"(cut after {answer.tokens} tokens; --max-new-tokens allows more)", err=True)
