"""The wheel, built and installed: all that a user without the checkout has."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def run(*command, cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def clean_env():
    """This process's variables, without those that would lead Python to the checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


@pytest.fixture(scope="module")
def installed(root, tmp_path_factory, clean_env):
    """Folder of the programs of an environment with the wheel in it.

    Only the package itself is installed, so nothing is downloaded: its dependencies are those of this environment,
    whose packages follow the new environment's own on the path. A folder named in a .pth file does not have its own
    .pth files read, so an editable install of the checkout is not seen through it.
    """
    top = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", top, root, cwd=top, env=clean_env)
    (wheel,) = top.glob("*.whl")
    venv.create(top / "env", with_pip=False)
    python = top / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install"),
        *("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check", wheel),
        cwd=top,
        env=clean_env,
    )
    places = run(python, "-c", "import site; print(*site.getsitepackages(), sep='\\n')", cwd=top, env=clean_env)
    ours = [p for p in sys.path if Path(p).name in {"site-packages", "dist-packages"}]
    (Path(places.split("\n")[0]) / "dependencies.pth").write_text("\n".join(ours) + "\n")
    return python.parent


@pytest.fixture
def instructkit(installed, tmp_path, clean_env):
    """Run the installed command in an empty folder."""
    return lambda *words: run(installed / "instructkit", *words, cwd=tmp_path, env=clean_env)


def test_the_installed_package_is_the_one_in_the_wheel(installed, tmp_path, clean_env, root):
    code = "import instructkit, pathlib; print(pathlib.Path(instructkit.__file__).resolve().parent)"
    package = Path(run(installed / "python", "-c", code, cwd=tmp_path, env=clean_env).strip())
    assert package.is_relative_to(installed.parent.resolve())
    for kind in ("*.py", "*.md.jinja"):
        sources = {p.relative_to(root / "instructkit").as_posix() for p in (root / "instructkit").rglob(kind)}
        assert {p.relative_to(package).as_posix() for p in package.rglob(kind)} == sources
    for folder in ("templates", "recipes"):
        shipped = {p.relative_to(package / "share" / folder): p for p in (package / "share" / folder).rglob("*.*")}
        committed = {p.relative_to(root / folder): p for p in (root / folder).rglob("*.*")}
        assert {n: p.read_bytes() for n, p in shipped.items()} == {n: p.read_bytes() for n, p in committed.items()}


def test_the_quickstart_recipe_is_built_from_the_wheel(instructkit, tmp_path):
    assert "instructkit build recipes/quickstart.yaml" in instructkit("init", "--recipe", "quickstart")
    assert (tmp_path / ".instructkit/recipe.schema.json").is_file()
    assert "no faults" in instructkit("check", "recipes/quickstart.yaml")
    result = json.loads(instructkit("build", "recipes/quickstart.yaml", "--workers", "1", "--json"))
    rows = {step["step"]: step["rows_kept"] for step in result["steps"]}
    assert rows["functions"] > 1000
    assert rows["final"] > 1000
    lines = (tmp_path / "build/quickstart/chat/test.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0])["messages"][-1]["role"] == "assistant"
    found = json.loads(instructkit("show", "final", "--rows", "1", "--json"))
    assert f"{found['origin']['file']}:{found['origin']['line']}" in instructkit("why", found["id"])


def test_the_library_recipe_is_built_from_the_wheel_with_the_data_that_comes_along(instructkit, tmp_path):
    assert "recipes/library/README.md" in instructkit("init", "--recipe", "library").replace("\\", "/")
    result = json.loads(instructkit("build", "recipes/library.yaml", "--workers", "1", "--json"))
    rows = {step["step"]: step["rows_kept"] for step in result["steps"]}
    assert min(rows.values()) >= 5
    assert rows["final"] > 500


def test_a_first_project_is_built_from_the_wheel(instructkit, tmp_path):
    instructkit("init")
    assert "0 failed" in instructkit("templates", "test")
    instructkit("build", "recipes/first.yaml", "--workers", "2")
    assert len((tmp_path / "build/first/chat/train.jsonl").read_text(encoding="utf-8").splitlines()) > 1
