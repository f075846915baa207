"""Stores and sweep files made to do harm, read through the command line: nothing happens but an error or a warning."""

import ast
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.stored import make_end, make_line, make_point, make_spec

from scaling.store.files import append_line
from scaling.store.layout import StoreFolder

pytestmark = pytest.mark.slow
HOME = Path(__file__).parents[2]
HARMLESS = "an error or a warning that names the file; nothing outside is read or written, no traceback"
SCRIPT = "<script>alert(1)</script>"


def scaling(*words, cwd, memory=3 * 2**30):
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))  # noqa: E731
    environment = {**os.environ, "PYTHONPATH": str(HOME), "SCALING_CACHE": str(cwd / "cache"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "scaling", *map(str, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=limit,  # one thread here
        stdin=subprocess.DEVNULL,
    )


def assert_harmless(result, codes=(0, 1, 2, 4)):
    assert result.returncode in codes, result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    assert "root:x:0" not in result.stdout + result.stderr


@pytest.fixture
def store(tmp_path):
    """Five trials that are done, and a secret beside the store."""
    store = StoreFolder(tmp_path / "store")
    rows = [{"id": f"t{i}", "label": f"d{i} s0", "horizons": [1000, 2000], "flops_train": 1e9} for i in range(5)]
    store.write_sweep({"name": "victim", "spec": {}, "data": {}, "trials": rows})
    for i, row in enumerate(rows):
        trial = store.trial(row["id"])
        trial.write_spec(make_spec(row["label"], seed=i))
        attempt = trial.new_attempt()
        append_line(attempt.curve_path, make_line(5))
        for tokens in (1000, 2000):
            trial.publish_point(make_point(row["id"], tokens, 3.0 - tokens / 4000))
        trial.publish_end(make_end(row["id"]))
    (tmp_path / "secret.json").write_text('{"secret": "root:x:0"}')
    return store


def rewrite(path, **keys):
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def names_that_lead_out(store):
    sweep = json.loads(store.sweep_path.read_text())
    for bad in ("../../secret", "/etc", "..", "a/b", "\x00", "x" * 5000):
        sweep["trials"].append({"id": bad, "label": SCRIPT, "horizons": [1], "flops_train": 1.0})
    store.sweep_path.write_text(json.dumps(sweep))


def links_that_lead_out(store):
    secret = store.root.parent / "secret.json"
    for path in (store.trial("t0").path / "points" / "1000.json", store.trial("t1").path / "spec.json"):
        path.unlink()
        path.symlink_to(secret)
    curve = store.trial("t2").attempt(1).curve_path
    curve.unlink()
    curve.symlink_to("/etc/passwd")
    shutil.rmtree(store.trial("t3").path / "points")
    (store.trial("t3").path / "points").symlink_to("/etc", target_is_directory=True)
    (store.root / "host").symlink_to("/etc", target_is_directory=True)


def files_without_end(store):
    for path in (store.trial("t0").attempt(1).curve_path, store.trial("t1").path / "points" / "1000.json"):
        with path.open("r+b") as file:
            file.truncate(200 * 2**30)  # sparse
    os.mkfifo(store.trial("t2").path / "points" / "3000.json")
    fifo = store.trial("t3").attempt(1).curve_path
    fifo.unlink()
    os.mkfifo(fifo)


def html_everywhere(store):
    sweep = json.loads(store.sweep_path.read_text())
    sweep |= {"name": SCRIPT, "title": SCRIPT, "source": SCRIPT}
    sweep["trials"][0]["label"] = SCRIPT
    store.sweep_path.write_text(json.dumps(sweep))
    for i in range(5):
        trial = store.trial(f"t{i}")
        rewrite(trial.spec_path, label=SCRIPT + "\x1b[2J")
        end = next((trial.path / "end").iterdir())
        samples = [{"prompt": SCRIPT, "text": SCRIPT}]
        rewrite(end, environment={"device": SCRIPT, SCRIPT: SCRIPT}, samples=samples, reason=SCRIPT)


def numbers_that_are_none(store):
    for i, value in enumerate(("1e999", "[]", '"x"', "null", "9" * 5000)):
        point = store.trial(f"t{i}").path / "points" / "1000.json"
        point.write_text(point.read_text().replace('"loss_nats": 2.75', f'"loss_nats": {value}'))
    (store.trial("t4").path / "end" / "2000.json").write_text("[" * 100_000)
    (store.trial("t3").attempt(1).path / "exit.json").write_text('{"exit_code": 0, "seconds": "x", "gpus": -1e400}')


@pytest.mark.fault("hostile store (names, links, endless files, HTML, nonsense)", HARMLESS)
@pytest.mark.parametrize(
    "harm", [names_that_lead_out, links_that_lead_out, files_without_end, html_everywhere, numbers_that_are_none]
)
def test_a_hostile_store_harms_nothing(store, harm, tmp_path):
    harm(store)
    outside = {path for path in tmp_path.rglob("*") if store.root not in path.parents}
    assert_harmless(scaling("status", store.root, cwd=tmp_path))
    assert_harmless(scaling("fit", store.root, "--resamples", "0", cwd=tmp_path))
    assert_harmless(scaling("export", store.root, "--out", tmp_path / "tables", cwd=tmp_path))
    assert_harmless(scaling("report", store.root, "--out", tmp_path / "report.html", "--resamples", "0", cwd=tmp_path))
    page = tmp_path / "report.html"
    assert not page.exists() or SCRIPT not in page.read_text()
    made = {p for p in tmp_path.rglob("*") if store.root not in p.parents} - outside
    places = {p.relative_to(tmp_path).parts[0] for p in made}
    assert places <= {"tables", "report.html", "cache"}


HEAD = "schema: 1\nname: bad\nmodel: {n_layer: 1, head_dim: 4}\n"
LADDER = "trials:\n  - ladder: {sizes: [1M], horizons: [1M]}\n"


def aliases():
    pairs = zip("abcdefghi", "bcdefghij", strict=True)
    lines = (f"k{old}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairs)
    return HEAD + "title: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(lines)


def million_trials():
    axes = f"{{model.d_model: {[*range(4, 4004)]}, seed: {[*range(300)]}}}"
    return HEAD + f"trials:\n  - grid: {{axes: {axes}, horizons: [1M]}}\n"


def command(params):
    head = "schema: 1\nname: bad\ncommand: {run: [touch, pwned, '{a}'], params: " + repr(params) + "}\n"
    return head + "trials:\n  - grid: {axes: {a: [1]}, horizons: [1M]}\n"


BAD = {
    "aliases": aliases(),
    "nesting": HEAD + "title: " + "[" * 50_000 + "\n" + LADDER,
    "size": HEAD + LADDER.replace("sizes: [1M]", "sizes: [1e300]"),
    "width": HEAD + LADDER.replace("sizes: [1M]", "sizes: [{d_model: 99999999999999}]"),
    "million trials": million_trials(),
    "horizon": HEAD + LADDER.replace("horizons: [1M]", "horizons: [1e30]"),
    "name": HEAD.replace("bad", "../../../tmp/x") + LADDER,
    "device": HEAD + "data: {path: /dev/zero}\n" + LADDER,
    "context": HEAD + "data: {context: 99999999999}\n" + LADDER,
    "tag": HEAD + "title: !!python/object/apply:os.system ['touch pwned']\n" + LADDER,
    "power": command("9**9**9**9"),
    "code": command("__import__('os').system('touch pwned')"),
}


@pytest.mark.fault("hostile sweep file (YAML bombs, absurd sizes)", "refused in time and memory, with the line; exit 2")
@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_hostile_sweep_file_is_refused(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    result = scaling("plan", "bad.yaml", cwd=tmp_path)
    assert_harmless(result, codes=(2,))
    assert "error[" in result.stderr
    assert not (tmp_path / "pwned").exists()


@pytest.mark.fault(
    "command of a copied store", "it is never run: only a sweep file names a command, and it is agreed to"
)
def test_a_command_in_a_store_is_never_run(tmp_path):
    sweep = "schema: 1\nname: mine\ncommand: {run: [python, -c, 'print(\"{a}\")'], params: a}\n"
    (tmp_path / "s.yaml").write_text(sweep + "trials:\n  - grid: {axes: {a: [1]}, horizons: [10]}\n")
    scaling("run", "s.yaml", "--no-report", "--yes", cwd=tmp_path)
    store = StoreFolder(tmp_path / "runs" / "mine")
    (name,) = store.trial_ids()
    rewrite(store.trial(name).spec_path, run=["touch", str(tmp_path / "pwned")])
    for words in (("status", store.root), ("fit", store.root), ("run", "s.yaml", "--no-report", "--retry-failed")):
        assert "Traceback" not in scaling(*words, cwd=tmp_path).stderr
    assert not (tmp_path / "pwned").exists()


@pytest.mark.fault("pickle in a store", "nothing is unpickled: checkpoints are safetensors, records JSON")
def test_nothing_in_the_package_unpickles():
    found = []
    for path in (HOME / "scaling").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            if any(n.split(".")[0] in ("pickle", "dill", "cloudpickle", "marshal", "shelve") for n in names):
                found.append(f"{path}: {names}")
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load", "numpy.load"):
                plain = any(k.arg == "allow_pickle" and ast.unparse(k.value) == "False" for k in node.keywords)
                found += [] if plain else [f"{path}:{node.lineno}"]
    assert found == []
