"""`render`: the recipe step, and what it unfolds into.

render  {templates: [python/*]}          a recipe step
  ├── RenderTemplate python/explain_function     a shard stage for each template, keyed by the template's
  ├── RenderTemplate python/write_docstring      own text and all that it imports: an edited template
  └── …                                          renders its own examples anew, and no others

With `phrasings: all` there is one for each wording of a template; with `shots`, a corpus stage `RenderFewShot` in the
place of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from instructkit.errors import Fault, TemplateFault, did_you_mean
from instructkit.schema import Document, Example, Noun
from instructkit.stages.render.few_shot import Form, RenderFewShot, Shots
from instructkit.stages.render.template import RenderTemplate
from instructkit.templates.library import find_templates, template_folders
from instructkit.templates.template import Template


@dataclass(frozen=True, kw_only=True)
class Render:
    """Make examples of documents with templates: one example for each document and template, or a drop with its reason.

    The rules of the drops: `missing_input` (the document lacks what the template reads), `wrong_type`,
    `not_applicable` (a condition around all blocks of the template does not hold), `empty_answer`,
    `empty_message`, `not_a_choice` (the answer is not among the options), `bad_tools` (the document's own
    definitions are faulty), `bad_tool_call` (an unknown tool, or arguments that do not fit), `output_too_long`,
    `template_error`; with `shots` also `too_few_exemplars` and `no_place_for_exemplars`.

    With `shots`, each example shows exemplars before its own question: other documents, rendered with the same
    template. They come from documents of the split `train`, whatever the split of the example, so a `split` step must
    stand above; never from the example's own group; and none twice. `exemplar_ids` names their documents, in order.
    An exemplar begins with a question and ends with an answer in words; documents that are rendered otherwise are none.
    """

    version: ClassVar[int] = 6
    reads: ClassVar[tuple[Noun, ...]] = (Document,)
    yields: ClassVar[Noun | None] = Example
    packages: ClassVar[tuple[str, ...]] = ("jinja2",)

    templates: Annotated[list[str], msgspec.Meta(min_length=1)] = field(default_factory=list)
    """Names (`python/explain_function`) or globs (`python/*`) of templates; those in the project's `templates/` folder
    stand before the shipped ones of the same name. Every document is rendered with every template."""
    columns: dict[str, str] = field(default_factory=dict)
    """Input → column, for inputs that the documents hold under other names: `{premise: Sentence 1, label: gold_label}`.
    It is for each template of the step that has the input. A column is a field, also one whose name no variable can
    have, or a dotted path into nested objects (`meta.author`). `text`, `source`, `language` and `id` are the document's
    own; `fields.id` is a field of such a name."""
    phrasings: Literal["drawn", "all"] = "drawn"
    """Of a template with several wordings: one `drawn` for each document, or one example for `all` of them. The ids of
    those are `DOCUMENT/TEMPLATE@WORDING`, and the details of drops begin with `phrasing WORDING:`."""
    shots: Shots = 0
    """Exemplars before each example: a number, or a list of numbers, such as `[0, 2, 5]`, of which one is drawn for
    each example and recorded in its `variant` (`shots=2`)."""
    exemplars: Form = "turns"
    """How exemplars are shown: as earlier `turns` of the conversation, not trained on; or as `text` in front of the
    example's user message: question, answer, question, answer ... `text` is for templates of one question and one
    answer, without tools. A system message stays first, and only the example's own is there."""
    separator: str = "\n\n"
    """What stands between questions and answers, with `exemplars: text`."""
    pool: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1_000
    """Documents that exemplars are drawn from, at most: those of the training split with the smallest seeded hashes
    that the template can render, one of each group. The pool travels to every shard, so it bounds memory."""
    seed: int = 0
    """Seed of all that is drawn: wordings, formats of options, exemplars and `choice`, `shuffle` and `sample` in the
    templates; the recipe's seed when not set."""

    def faults(self) -> list[str]:
        """What is wrong with the fields taken together."""
        found = [] if self.templates else ["templates: name at least one template, such as python/*"]
        found += [f"columns: '{name}' is given no column" for name, column in self.columns.items() if not column]
        if self.shots == []:
            found.append("shots: name at least one number, such as [0, 2]")
        elif self._most_shots > self.pool:
            found.append(f"shots: {self._most_shots} exemplars from a pool of {self.pool}; raise pool, or lower shots")
        return found

    def unfold(self, root: Path) -> list[RenderTemplate | RenderFewShot]:
        """A stage for each template, and for each of its wordings where all are asked for. `root`: the project folder.

        Raises TemplateFault with every fault of every template, for each pattern that matches nothing, for each
        column that is given to no input, and for each template that exemplars cannot be shown with.
        """
        templates = find_templates(self.templates, template_folders(root))
        faults = [Fault("columns", 0, 0, message) for message in unread_columns(self.columns, templates)]
        if self._most_shots:
            faults += [fault for template in templates for fault in self._unshowable(template)]
        if faults:
            raise TemplateFault(faults)
        return [self._stage(template, name) for template in templates for name in self._wordings(template)]

    @property
    def _most_shots(self) -> int:
        return self.shots if isinstance(self.shots, int) else max(self.shots, default=0)

    def _wordings(self, template: Template) -> list[str] | list[None]:
        names = list(template.front.wordings()) if self.phrasings == "all" else []
        return names or [None]

    def _stage(self, template: Template, phrasing: str | None) -> RenderTemplate | RenderFewShot:
        common: dict[str, Any] = {
            "template": template.name,
            "template_hash": template.hash,
            "sources": template.sources,
            "phrasing": phrasing,
            "seed": self.seed,
            "columns": columns_for(template, self.columns),
        }
        if not self._most_shots:
            return RenderTemplate(**common)
        return RenderFewShot(
            **common,
            shots=[self.shots] if isinstance(self.shots, int) else self.shots,
            exemplars=self.exemplars,
            separator=self.separator,
            pool=self.pool,
        )

    def _unshowable(self, template: Template) -> list[Fault]:
        """Why exemplars have no place in conversations of this template, as far as it can be told before any row."""
        said = f"template '{template.name}' with shots"
        if template.front.answer == "model":
            return [
                Fault(
                    "templates",
                    0,
                    0,
                    f"{said}: a template that a model is to answer (answer: model) has no exemplars; take shots away",
                )
            ]
        if "user" not in template.turns:
            return [Fault("templates", 0, 0, f"{said}: it has no user block, so exemplars would have no questions")]
        if self.exemplars == "turns":
            return []
        return [
            Fault(
                "templates",
                0,
                0,
                f"{said} and exemplars: text: its block '{turn}' is more than one question and answer; "
                "use exemplars: turns",
            )
            for turn in template.turns
            if turn not in ("system", "user", "assistant")
        ][:1]


def columns_for(template: Template, columns: dict[str, str]) -> dict[str, str]:
    """Those of a step's columns that change what this template reads."""
    inputs = template.front.declared()
    return {name: column for name, column in columns.items() if name in inputs and name != column}


def unread_columns(columns: dict[str, str], templates: list[Template]) -> list[str]:
    """A message for each name that is no input of these templates."""
    inputs = dict.fromkeys(name for template in templates for name in template.front.declared())
    return [
        f"columns: no template here has an input '{name}'{did_you_mean(name, inputs)} "
        f"(inputs: {', '.join(inputs) or 'none'})"
        for name in columns
        if name not in inputs
    ]
