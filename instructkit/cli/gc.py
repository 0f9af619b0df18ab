"""`instructkit gc`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--build-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build"),
    show_default=True,
    help="Folder of builds.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def gc(build_dir: Path, dry_run: bool) -> None:
    """Remove from the store what the last build of each recipe does not use."""
    from instructkit.build.build import gc as collect
    from instructkit.errors import UsageFault

    if not (build_dir / ".store").is_dir():
        raise UsageFault(f"{build_dir}: no store here (no .store folder); name the folder of builds with --build-dir")
    files, size_bytes = collect(build_dir, dry_run)
    click.echo(f"{'Would remove' if dry_run else 'Removed'} {files:,} files, {size_bytes / 1e6:.1f} MB.")
