from instructkit.schema import Message
from instructkit.stages.export.alpaca import ExportAlpaca

TWO = [("system", "Be brief."), ("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b")]


def test_a_pair_is_instruction_and_output(examples, exported):
    rows, _ = exported(ExportAlpaca(extras=False), examples([("user", "q"), ("assistant", "a")]))
    assert rows == [{"instruction": "q", "input": "", "output": "a"}]


def test_several_turns_need_history(examples, exported):
    assert exported(ExportAlpaca(), examples(TWO))[1] == [("e0", "turns")]
    rows, _ = exported(ExportAlpaca(history=True, extras=False), examples(TWO))
    expected = {"instruction": "r", "input": "", "output": "b", "system": "Be brief.", "history": [["q", "a"]]}
    assert rows == [expected]


def test_tools_and_odd_roles_are_dropped_with_their_reason(examples, exported, call):
    shard = examples(
        [("user", "q"), Message(role="assistant", content="", tool_calls=call)],
        [("user", "q"), ("user", "r"), ("assistant", "a")],
        [("assistant", "a")],
        [],
        [("user", "q"), Message(role="assistant", content="a", weight=0.0)],
    )
    _, dropped = exported(ExportAlpaca(history=True), shard)
    assert [rule for _, rule in dropped] == ["tools", "roles", "roles", "roles", "weights"]


def test_a_plain_text_is_no_conversation(examples, exported):
    rows, dropped = exported(ExportAlpaca(), examples([("text", "The moon.")], [("user", "q"), ("assistant", "a")]))
    assert len(rows) == 1
    assert dropped == [("e0", "text")]
