"""What the documentation says can be done is done here; its links lead somewhere; its reference is the code's."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```sh run\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
RUNNABLE = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


def name(page):
    return str(page.relative_to(ROOT))


@pytest.fixture
def desk(tmp_path):
    """A folder as the pages assume it: the reports, the quickstart's store under ``runs``, ``scaling`` on the path."""
    leave = shutil.ignore_patterns("*.html", "*.js", "weights")
    shutil.copytree(ROOT / "reports", tmp_path / "reports", ignore=leave)
    shutil.copytree(ROOT / "reports" / "quickstart", tmp_path / "runs" / "quickstart", ignore=leave)
    command = tmp_path / "bin" / "scaling"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m scaling "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=name)
def test_the_commands_of_a_page_run_as_written(page, desk):
    path = f"{desk / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "SCALING_CACHE": str(desk / "cache")}
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block], cwd=desk, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{block}\n{done.stderr}"


def test_some_pages_have_commands_to_run():
    assert {"docs/tutorial.md", "docs/how-to/import.md"} <= set(map(name, RUNNABLE))


@pytest.mark.parametrize("page", [*PAGES, *ROOT.glob("*.md"), *ROOT.glob("reports/*.md")], ids=name)
def test_links_lead_somewhere(page):
    broken = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.slow
def test_the_reference_is_the_code():
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_gallery_is_small_listed_and_shares_one_library():
    gallery = ROOT / "reports"
    tracked = [p for p in gallery.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in tracked) <= 15e6
    assert [p.relative_to(gallery) for p in tracked if p.name == "plotly.min.js"] == [Path("plotly.min.js")]
    index, readme = ((gallery / n).read_text(encoding="utf-8") for n in ("index.html", "README.md"))
    for report in gallery.glob("*/report.html"):
        address = f"{report.parent.name}/report.html"
        assert f'href="{address}"' in index
        assert f"]({address})" in readme
