"""What commands load before they work: counted in modules, which is the same on a slow machine."""

import ast
import subprocess
import sys

import pytest

TRAINING = {"torch", "transformers", "datasets", "peft", "accelerate", "pandas", "scipy"}
BUILDING = {"polars", "pyarrow", "numpy", "jinja2", "msgspec", "yaml", "rich", "orjson"}


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], TRAINING | BUILDING),
        (["--version"], TRAINING | BUILDING),
        (["check", "recipes/quickstart.yaml"], TRAINING | {"pyarrow", "datasketch", "langdetect", "ftfy"}),
        (["plan", "recipes/quickstart.yaml", "--build-dir", "{tmp}"], TRAINING | {"pyarrow", "datasketch"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_loads_only_what_it_needs(root, tmp_path, environment, arguments, unwanted):
    code = (
        "import sys\n"
        "from instructkit.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as leave: assert not leave.code, leave.code\n"
        "finally: print(sorted(sys.modules), file=sys.stderr)"
    )
    words = [word.format(tmp=tmp_path) for word in arguments]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=root, capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout
    loaded = set(ast.literal_eval(done.stderr.splitlines()[-1]))
    assert "instructkit" in loaded
    assert not loaded & unwanted
