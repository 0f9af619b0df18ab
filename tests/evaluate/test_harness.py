import importlib.util

import pytest

from instructkit.errors import UsageFault
from instructkit.evaluate.harness import require_harness, run_tasks

INSTALLED = importlib.util.find_spec("lm_eval") is not None
TASK = """\
task: capitals
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "What is the capital of {{{{country}}}}?"
doc_to_choice: [Paris, Rome]
doc_to_target: label
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


@pytest.mark.skipif(INSTALLED, reason="the harness is installed")
def test_without_the_harness_the_way_to_it_is_named():
    with pytest.raises(UsageFault, match=r"pip install 'lm_eval\[hf\]'"):
        require_harness()


@pytest.mark.skipif(not INSTALLED, reason="the harness is not installed")
@pytest.mark.filterwarnings("default")
def test_a_task_of_ones_own_is_run_on_a_saved_model(saved, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"country": "France", "label": 0}\n{"country": "Italy", "label": 1}\n')
    (tmp_path / "capitals.yaml").write_text(TASK.format(rows=tmp_path / "rows.jsonl"))
    found = run_tasks(saved, [str(tmp_path / "capitals.yaml")])
    assert 0 <= found["capitals"]["acc,none"] <= 1
