"""How large a report gets and how long it takes: 1,000 trials with 200 curve points each, made up, then rendered.

    python benchmarks/report_size.py [--trials 1000] [--steps 200] [--open]

Prints seconds, peak resident memory, bytes, displayed points, and, with Chromium there, the time until the first figure
is seen and until all are drawn.
"""

import argparse
import base64
import gzip
import json
import re
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support import synthetic_report as synthetic

from scaling.findings import RULES, findings
from scaling.laws import analyse, compute_optimal
from scaling.report import render_material
from scaling.report.material import Material

LIMITS = {"seconds": 10.0, "peak_gib": 1.0, "mib": 8.0, "points": 25_000, "first_figure_s": 3.0}


def trials(count):
    """``count`` trials of twenty sizes with many seeds, none failed."""
    sizes = np.geomspace(3e3, 3e8, 20).astype(int)
    rows = [
        synthetic.trial_row(int(n), f"d{n} s{seed}", f"t{i:04d}{seed:04d}", seed)
        for i, n in enumerate(sizes)
        for seed in range(count // len(sizes))
    ]
    return pd.DataFrame(rows)


def gather(count, steps, resamples):
    """The same work as ``gather.from_store`` does once the records are read."""
    rng = np.random.default_rng(0)
    frame = trials(count)
    points = synthetic.points_frame(frame, rng)
    analysis = analyse(points, synthetic.CUTS, resamples=resamples)
    return Material(
        runs=synthetic.runs_of(frame),
        law=synthetic.law_of_points(points, analysis),
        isoflop=synthetic.profiles(points),
        approaches=compute_optimal(points, analysis, cuts=synthetic.CUTS, resamples=resamples),
        surfaces={"total": analysis.fits["L(N,D)"]},
        sweep={"name": "large", "title": f"{len(frame)} made-up trials"},
        points=points,
        trials=frame,
        curves=synthetic.curves_frame(frame, rng, steps),
        samples=[],
        environments=[],
        host=None,
        analysis=analysis,
        findings=findings(analysis, points, frame, {}),
        rules=RULES,
    )


def displayed(page):
    """Points of the figures that are drawn at first; switched ones are drawn in their place, not beside them."""
    block = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.S)[1]
    packed = block.removeprefix("gzip:")
    figures = json.loads(block if packed == block else gzip.decompress(base64.b64decode(packed)))
    return sum(len(t.get("x") or ()) for key, f in figures.items() if "~" not in key for t in f["data"])


def seen(path):
    """Seconds from opening the page until its first figure is drawn, and until all are; ``None`` without Chromium."""
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        return None
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.page_load_strategy = "none"
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        start = time.perf_counter()
        driver.get(path.as_uri())
        first = _until(driver, "document.querySelector('.drawing[data-drawn]')", start)
        every = _until(driver, "document.querySelectorAll('.drawing:not([data-drawn])').length === 0", start)
        return first, every
    finally:
        driver.quit()


def _until(driver, condition, start):
    while not driver.execute_script(f"return !!({condition})"):
        time.sleep(0.02)
        if time.perf_counter() - start > 120:
            raise TimeoutError(condition)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    out = options.out or Path(tempfile.mkdtemp()) / "report.html"
    start = time.perf_counter()
    material = gather(options.trials, options.steps, options.resamples)
    analysed = time.perf_counter()
    render_material(material, out)
    rendered = time.perf_counter()
    page = out.read_text(encoding="utf-8")
    print(f"{len(material.trials)} trials x {options.steps} curve points, {len(material.points)} annealed points")
    print(f"analysis {analysed - start:.1f} s, rendering {rendered - analysed:.1f} s (at most {LIMITS['seconds']:g} s)")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.2f} GiB (at most {LIMITS['peak_gib']:g})")
    print(f"page {len(page.encode()) / 2**20:.2f} MiB (at most {LIMITS['mib']:g})")
    print(f"displayed points {displayed(page)} (at most {LIMITS['points']})")
    found = seen(out)
    if found is None:
        print("first figure: not measured, Chromium or selenium is missing")
    else:
        print(
            f"first figure after {found[0]:.2f} s (at most {LIMITS['first_figure_s']:g} s), all after {found[1]:.1f} s"
        )


if __name__ == "__main__":
    main()
