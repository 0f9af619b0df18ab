from typing import get_args

from instructkit.templates.frontmatter import LintRule
from instructkit.templates.lint.rules import RULES


def test_a_template_may_allow_every_rule_but_a_fault():
    assert set(get_args(LintRule)) == set(RULES) - {"fault"}


def test_every_rule_says_what_it_finds_in_sentences():
    for name, rule in RULES.items():
        assert rule.finds.endswith("."), name
        assert rule.why.endswith("."), name
