from instructkit.train.state import differences, model_digest


def test_differences_are_named_by_their_path():
    old = {"config": {"epochs": 1.0, "model": {"layers": 2}}, "gone": 1}
    new = {"config": {"epochs": 2.0, "model": {"layers": 2}}, "new": "x"}
    assert differences(old, new) == ["config.epochs 1.0 → 2.0", "gone 1 → null", 'new null → "x"']


def test_a_model_folder_is_known_by_its_content_not_its_place(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    assert model_digest(str(tmp_path / "a")) == model_digest(str(tmp_path / "b"))
    (tmp_path / "b/config.json").write_text("{ }")
    assert model_digest(str(tmp_path / "a")) != model_digest(str(tmp_path / "b"))
    assert model_digest("org/name") == "org/name"
