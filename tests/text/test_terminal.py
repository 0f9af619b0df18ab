"""What data says cannot steer a terminal."""

import pytest

from instructkit.text.terminal import printable


@pytest.mark.parametrize("sign", ["\x1b", "\x07", "\x7f", "\x9b", "\n", "\u202e", "\u2066", "\ud83d"])
def test_what_does_not_print_is_a_space(sign):
    assert printable(f"a{sign}b") == "a b"


def test_letters_of_all_scripts_stay():
    assert printable("Ünï 字 ภาษา 😀") == "Ünï 字 ภาษา 😀"
