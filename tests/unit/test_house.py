"""The house itself: what loads what, what the command line promises, and the limits of style."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "scaling").rglob("*.py"))
ENGINES = {"local", "debug", "slurm", "ray", "shards"}


def loaded_after(statement):
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "module", ["scaling.cli", "scaling.laws", "scaling.findings", "scaling.report", "scaling.store", "scaling.executor"]
)
def test_the_analysis_side_loads_without_torch(module):
    assert "torch" not in loaded_after(f"import {module}")


@pytest.mark.parametrize(
    "data", [{"source": "markov"}, {"path": "scaling/laws/*.py", "tokenizer": "bpe", "vocab_size": 300, "context": 8}]
)
def test_reading_a_corpus_loads_no_torch(data, tmp_path, monkeypatch):
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path))
    statement = (
        f"from scaling.data import prepare; from scaling.spec.schema import DataSpec; prepare(DataSpec(**{data}))"
    )
    assert {"torch", "pandas"}.isdisjoint(loaded_after(statement))


def test_the_command_line_starts_without_heavy_modules():
    heavy = {"torch", "pandas", "scipy", "numpy", "plotly", "pydantic", "codecarbon"}
    assert heavy.isdisjoint(loaded_after("import scaling.cli"))


@pytest.mark.slow
def test_the_trial_loads_without_the_analysis_side():
    heavy = {"pandas", "scipy", "plotly", "scaling.laws", "scaling.report"}
    assert heavy.isdisjoint(loaded_after("import scaling.trial.attempt"))


@pytest.mark.slow
def test_every_command_has_help_with_an_example():
    from scaling.cli.app import COMMANDS

    for name in COMMANDS:
        result = subprocess.run(
            [sys.executable, "-m", "scaling", name, "--help"], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert result.returncode == 0, result.stderr
        assert "scaling " + name in result.stdout, f"{name} shows no example"


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_an_engine_is_one_short_file_that_leans_on_no_other(engine):
    text = (ROOT / "scaling" / "executor" / f"{engine}.py").read_text()
    assert text.count("\n") <= 150
    imported = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    assert not imported & {
        f"scaling.executor.{name}" for other in ENGINES - {engine} for name in (other, f"{other}_plan")
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_readable(path):
    text = path.read_text()
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno <= 70, f"{path.name}: {node.name} is too long"


def test_one_loop_trains_every_family():
    """A family is arithmetic, a module and an objective: it takes no step, and one class takes them for all."""
    families = [p for p in SOURCES if p.relative_to(ROOT / "scaling").parts[0] in ("families", "models")]
    assert families
    for path in families:
        text = path.read_text(encoding="utf-8")
        assert ".backward()" not in text, path
        assert "scaling.training" not in text, path
    loops = [p for p in SOURCES if "class Trainer" in p.read_text(encoding="utf-8")]
    assert loops == [ROOT / "scaling" / "training" / "loop.py"]
    attempt = (ROOT / "scaling" / "trial" / "attempt.py").read_text(encoding="utf-8")
    assert "from scaling.training.loop import" in attempt
