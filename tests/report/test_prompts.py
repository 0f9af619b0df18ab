import pytest

from instructkit.errors import UsageFault
from instructkit.report.prompts import read_prompts


def test_prompts_and_conversations_are_read_in_order(tmp_path):
    file = tmp_path / "p.jsonl"
    file.write_text('{"prompt": "Hi", "id": 3}\n\n{"messages": [{"role": "user", "content": "u"}]}')
    assert [[(m.role, m.content) for m in c] for c in read_prompts(file)] == [
        [("user", "Hi")],
        [("user", "u")],
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"prompt": "Hi"}\nnot JSON', r"p\.jsonl:2: .*expected a JSON object with prompt or messages"),
        ('{"text": "Hi"}', r"p\.jsonl:1: has neither a prompt nor messages"),
        ("\n", r"p\.jsonl: no prompts"),
    ],
)
def test_a_file_without_prompts_is_a_usage_fault_with_its_line(tmp_path, text, fault):
    (tmp_path / "p.jsonl").write_text(text)
    with pytest.raises(UsageFault, match=fault):
        read_prompts(tmp_path / "p.jsonl")
