"""`instructkit stages`."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", required=False)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of recipes, for editors.")
def stages(name: str | None, schema: bool) -> None:
    """List the stages a recipe can use, or what NAME does and the keys it takes."""
    if schema:
        from instructkit.recipe.starter import SCHEMAS

        click.echo((SCHEMAS / "recipe.schema.json").read_text(encoding="utf-8"), nl=False)
        return
    from instructkit.recipe.reference import field_docs, summary
    from instructkit.stages.table import stage_class, stage_table

    if name is None:
        width = max(map(len, stage_table()))
        for known in stage_table():
            click.echo(f"{known:<{width}}  {summary(stage_class(known)).splitlines()[0]}")
        click.echo("\n`instructkit stages NAME` says what a stage does and which keys it takes.")
        return
    cls = stage_class(name)
    click.echo(f"{name}\n\n{summary(cls)}\n")
    for doc in field_docs(cls):
        default = "required" if doc.default is None else f"default {doc.default}"
        click.echo(click.style(doc.name, bold=True) + f"  ({doc.type}; {default})")
        click.echo(click.wrap_text(doc.doc, width=100, initial_indent="    ", subsequent_indent="    ") + "\n")
