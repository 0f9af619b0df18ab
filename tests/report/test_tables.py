from instructkit.report.tables import Table, drop_table, plain


def test_numbers_stand_right_and_words_left():
    table = Table("Steps", ("step", "rows", "loss"), [("a", 1200, "1.5"), ("long name", 7, "-0.25"), ("b", None, "-")])
    assert plain(table).splitlines() == [
        "Steps",
        "  step        rows   loss",
        "  a          1,200    1.5",
        "  long name      7  -0.25",
        "  b              –      -",
    ]


def test_drops_are_counted_by_step_rule_and_threshold_in_the_order_of_steps(built):
    rows = [tuple(row) for row in drop_table(built).rows]
    assert rows == [
        ("three", "not_json", "", "", 1),
        ("long", "min_words", "", "4", 1),
        ("unique", "near_duplicate", "", "0.7", 1),
    ]
