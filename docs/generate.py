"""Write every generated file of the repository: `python -m docs.generate`, or `make docs`.

    docs/templates.md                    the templates that come with instructkit, a rendered sample of each
    docs/reference/*.md                  stages, heads of templates, lint rules, audits, trainings and commands
    instructkit/share/schemas/*.json     JSON Schemas of recipes and of template heads; they travel in the wheel
    tests/house/stage_versions.json      which source each version of a stage was recorded with

tests/house/test_generated.py fails when a committed file is not what this gives. Nothing here depends on the width of
the terminal, on the Python that runs or on stages that third parties have installed.
"""

from __future__ import annotations

from pathlib import Path

from docs.command_page import commands_page
from docs.reference_pages import audit_page, lint_page, schemas, stages_page, trainings_page
from docs.stage_versions import RECORD, changed_without_a_version, stage_versions, versions_text
from docs.template_pages import catalogue_page, format_page

ROOT = Path(__file__).resolve().parent.parent


def generated() -> dict[str, str]:
    """Path below the repository → text, of every generated file."""
    return {
        "docs/reference/stages.md": stages_page(),
        "docs/templates.md": catalogue_page(ROOT / "templates"),
        "docs/reference/templates.md": format_page(),
        "docs/reference/lint.md": lint_page(),
        "docs/reference/audit.md": audit_page(),
        "docs/reference/trainings.md": trainings_page(),
        "docs/reference/commands.md": commands_page(),
        **{f"instructkit/share/schemas/{name}": text for name, text in schemas().items()},
        RECORD: versions_text(stage_versions()),
    }


def main() -> None:
    """Write what is not current, and say so."""
    for warning in changed_without_a_version(ROOT):
        print(f"note: {warning}")
    written = 0
    for name, text in generated().items():
        path = ROOT / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {name}")
        written += 1
    print(f"{written} files written, {len(generated()) - written} were current")


if __name__ == "__main__":
    main()
