from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import pytest

from instructkit.errors import RecipeFault
from instructkit.recipe.fields import Place, compose, entries, parse_settings, read_dataclass, read_value


def value(text: str, hint):
    place = Place("r.yaml")
    result = read_value(hint, compose(text, "r.yaml"), place, "key")
    return result if not place.faults else [str(fault) for fault in place.faults]


@pytest.mark.parametrize(
    ("text", "hint", "expected"),
    [
        ("no", str, "no"),
        ("no", bool, False),
        ("1.10", str, "1.10"),
        ("1.10", float, 1.1),
        ("2e-5", float, 2e-5),
        ("1e3", int, 1000),
        ("010", str, "010"),
        ("~", str | None, None),
        ("null", str | None, None),
        ("'null'", str | None, "null"),
        ("7", int | str, 7),
        ("'7'", int | str, "7"),
        ("[no, en]", list[str], ["no", "en"]),
        ("[1, 2.5]", list[float], [1.0, 2.5]),
        ("{train: 0.8}", dict[str, float], {"train": 0.8}),
        ("first", Literal["first", "longest"], "first"),
        ("[en]", str | list[str], ["en"]),
        ("en", str | list[str], "en"),
        ("12", Literal[10, 12] | None, 12),
    ],
)
def test_the_fields_type_decides_what_a_scalar_means(text, hint, expected):
    found = value(text, hint)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "hint", "said"),
    [
        ("0", Annotated[int, msgspec.Meta(ge=1)], "key: expected int >= 1, got '0'"),
        ("many", int, "key: expected int, got str, got 'many'"),
        ("2.5", int, "got '2.5'"),
        ("[a, 2]", list[int], "at [0]"),
        ("{a: 1}", int, "expected int"),
        ("thrid", Literal["first", "third"], "got 'thrid'"),
    ],
)
def test_a_value_out_of_bounds_is_named_with_what_was_found(text, hint, said):
    (fault,) = value(text, hint)
    assert said in fault
    assert fault.startswith("r.yaml:1:1: ")


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int
    depth: int = 1


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    inner: Inner | str = "none"
    low: float = 0.0
    high: float = 1.0

    def faults(self):
        return ["high must not be below low"] if self.high < self.low else []


def outer(text: str):
    place = Place("r.yaml")
    result = read_dataclass(Outer, compose(text, "r.yaml"), place, "outer")
    return result, [str(fault) for fault in place.faults]


def test_nested_mappings_become_nested_dataclasses():
    assert outer("{name: a, inner: {size: 3}}") == (Outer(name="a", inner=Inner(size=3)), [])
    assert outer("{name: a, inner: path}") == (Outer(name="a", inner="path"), [])


def test_every_fault_is_reported_with_its_own_place():
    result, faults = outer("nmae: a\ninner:\n  sise: 3\n  depth: x\nlow: wide\n")
    assert result is None
    assert len(faults) == 6
    assert any(f.startswith("r.yaml:1:1:") and "unknown key 'nmae'; did you mean 'name'?" in f for f in faults)
    assert any(f.startswith("r.yaml:3:3:") and "did you mean 'size'?" in f for f in faults)
    assert any(f.startswith("r.yaml:4:10:") and "inner: depth: expected int" in f for f in faults)
    assert any(f.startswith("r.yaml:5:6:") and "got 'wide'" in f for f in faults)
    assert any("key 'name' is missing" in f for f in faults)
    assert any("key 'size' is missing" in f for f in faults)


def test_faults_of_fields_taken_together_point_at_one_of_them():
    result, faults = outer("{name: a, low: 2, high: 1}")
    assert result is None
    assert faults == ["r.yaml:1:16: outer: high must not be below low"] or "high must not be below low" in faults[0]


def test_a_key_that_stands_twice_is_a_fault_not_the_last_value():
    place = Place("r.yaml")
    assert [name for name, _, _ in entries(compose("a: 1\nb: 2\na: 3\n", "r.yaml"), place, "recipe")] == ["a", "b"]
    assert str(place.faults[0]) == "r.yaml:3:1: recipe: key 'a' stands twice, first on line 1"


def test_what_is_not_yaml_is_named_with_its_place():
    with pytest.raises(RecipeFault, match=r"r\.yaml:2:\d+: not YAML"):
        compose("a: 1\n b: [2\n", "r.yaml")


def test_settings_of_the_command_line_are_read_like_a_recipe():
    assert parse_settings(Outer, ("name=no", "low=1e-3")) == Outer(name="no", low=0.001)
    with pytest.raises(RecipeFault, match="did you mean 'name'"):
        parse_settings(Outer, ("nme=x",))


def test_an_alias_inside_its_own_anchor_is_a_fault_not_a_crash():
    with pytest.raises(RecipeFault, match=r"r\.yaml:1:7: an anchor that holds an alias of itself"):
        compose("path: &a [*a]\n", "r.yaml")
