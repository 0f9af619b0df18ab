"""`instructkit generate`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from instructkit.cli.options import build_option, model_path, open_build, sampling_options


@click.command()
@click.argument("model")
@click.argument("prompt", required=False)
@build_option
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help='Many prompts, one a line: {"prompt": TEXT} or {"messages": [...]} as JSON. The replies are printed as JSON '
    "lines, in the same order.",
)
@click.option("--system", help="A system message before the prompt.")
@sampling_options
@click.option("--seed", type=int, default=0, show_default=True, help="Of the sampling.")
def generate(
    model: str,
    prompt: str | None,
    build_path: Path | None,
    file: Path | None,
    system: str | None,
    max_new_tokens: int,
    temperature: float | None,
    top_p: float,
    samples: int,
    seed: int,
) -> None:
    """Let MODEL (a folder, a hub name, or a training of the build) answer PROMPT, or what comes on standard input."""
    from instructkit.build.build import last_build
    from instructkit.errors import UsageFault
    from instructkit.evaluate.decode import Decoding
    from instructkit.evaluate.generate import generate_all
    from instructkit.evaluate.subject import open_model
    from instructkit.report.prompts import read_prompts
    from instructkit.schema import Message

    if file is not None and prompt is not None:
        raise UsageFault("--file brings the prompts; leave out PROMPT")
    if file is not None:
        conversations = read_prompts(file)
    elif prompt is not None:
        conversations = [[Message(role="user", content=prompt)]]
    elif sys.stdin.isatty():
        raise UsageFault("no prompt: give one as an argument or on standard input, or many by --file")
    else:
        conversations = [[Message(role="user", content=sys.stdin.read())]]
    if system:
        conversations = [[Message(role="system", content=system), *each] for each in conversations]
    if not Path(model).is_dir() and (build_path or last_build(Path("build"))):
        model = model_path(open_build(build_path).folder, model)
    decoding = Decoding(max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, samples=samples, seed=seed)
    subject = open_model(model)
    for note in subject.notes:
        click.echo(f"note: {note}", err=True)
    answers = generate_all(subject, conversations, decoding)
    if file is not None:
        import orjson

        for conversation, several in zip(conversations, answers, strict=True):
            asked = [{"role": message.role, "content": message.content} for message in conversation]
            for answer in several:
                line = {"messages": asked, "reply": answer.text, "tokens": answer.tokens, "stopped": answer.stopped}
                click.echo(orjson.dumps(line).decode())
        return
    for number, answer in enumerate(answers[0]):
        if number:
            click.echo()
        click.echo(answer.text)
        if not answer.stopped:
            click.echo(f"(cut after {answer.tokens} tokens; --max-new-tokens allows more)", err=True)
