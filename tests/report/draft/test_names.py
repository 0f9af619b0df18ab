import pytest

from instructkit.report.draft.columns import columns_of
from instructkit.report.draft.names import role_of


@pytest.mark.parametrize(
    ("name", "role"), [("answer_id", "left_out"), ("question_text", "question"), ("AnswerText", "answer"), ("n", None)]
)
def test_the_last_word_of_a_name_is_what_it_is_about(name, role):
    assert role_of(columns_of([{name: "x"}])[0]) == role
