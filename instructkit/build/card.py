"""The data card: the README.md of a dataset folder, for people and for the Hugging Face Hub.

It is a function of what it is given: no dates, no paths of a machine, so the same build has the same card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from instructkit.build.split_files import FileInfo
from instructkit.hashing import key_of
from instructkit.text.markdown import fenced, front_matter, table

Counts = Mapping[str, int]

# The Hub's bands, see its dataset card specification (datasetcard.md, size_categories).
SIZES = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
SIZES += [(10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B")]
LARGEST = "n>1B"
UNKNOWN = "(not known)"


def dataset_card(
    *,
    name: str,
    files: Sequence[FileInfo],
    counts: Mapping[str, Counts],
    drops: Mapping[tuple[str, str], int],
    recipe: str,
    lock_digest: str,
    licenses: Mapping[str, str | None] | None = None,
    languages: Sequence[str] = (),
) -> str:
    """The card as Markdown with YAML front matter.

    `counts`: examples by heading (`source`, `template`, `task`, `split` ...) and value; "" stands for a value that is
    not known. `drops`: dropped records by (step, rule). `recipe`: the recipe's text as written. `lock_digest`: the
    content hash of the lockfile. `licenses`: SPDX licence by template, None where the template names none.
    `languages`: ISO 639-1 codes that occur.
    """
    licenses = licenses or {}
    rows = sum(file.rows for file in files)
    sections = [
        _front_matter(name, files, rows, licenses, languages),
        f"# {name}\n",
        f"{rows:,} examples, built by instructkit from the recipe below. "
        "Every example names its source, its documents, its template and the template's hash.\n",
        _table("Files", ["file", "split", "rows", "bytes", "content hash"], [_file_row(file) for file in files]),
        *(_counts(heading, counts[heading]) for heading in sorted(counts)),
        _table(
            "Licences of the templates",
            ["template", "licence"],
            [[template, licenses[template] or UNKNOWN] for template in sorted(licenses)],
        ),
        _table(
            "What was dropped, and why",
            ["step", "rule", "records"],
            [[step, rule, f"{number:,}"] for (step, rule), number in sorted(drops.items())],
        ),
        f"## Recipe\n\n{fenced(recipe, 'yaml')}\n\nContent hash of the lockfile: `{lock_digest}`\n",
    ]
    return "\n".join(section for section in sections if section)


def _front_matter(
    name: str,
    files: Sequence[FileInfo],
    rows: int,
    licenses: Mapping[str, str | None],
    languages: Sequence[str],
) -> str:
    head: dict[str, object] = {"pretty_name": name}
    if languages:
        head["language"] = sorted(set(languages))
    head["size_categories"] = [next((size for most, size in SIZES if rows < most), LARGEST)]
    data_files = [{"split": file.split, "path": file.name} for file in files]
    # `datasets` caches by what the card says, not by the files: another content must be another version.
    version = f"0.0.{int(key_of([file.digest for file in files])[:6], 16)}"
    head["configs"] = [{"config_name": "default", "version": version, "data_files": data_files}]
    return front_matter(head) + "\n"


def _file_row(file: FileInfo) -> list[str]:
    return [file.name, file.split, f"{file.rows:,}", f"{file.size_bytes:,}", f"`{file.digest}`"]


def _counts(heading: str, counts: Counts) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return _table(f"Examples by {heading}", [heading, "examples"], [[v or UNKNOWN, f"{n:,}"] for v, n in ordered])


def _table(heading: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"## {heading}\n\n{table(columns, rows)}\n" if rows else ""
