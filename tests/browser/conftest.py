"""A real Chromium, driven over the DevTools protocol, and the pages it opens."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import synthetic_report as synthetic

from scaling.report import render_comparison, render_material

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"


@dataclass
class Browser:
    """One window; each ``open`` sets its width and colour scheme anew."""

    driver: object

    def open(self, path, width=1280, dark=False, script=True):
        """Open a page and wait until every figure is drawn."""
        command = self.driver.execute_cdp_cmd
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        command("Emulation.setDeviceMetricsOverride", metrics)
        command("Emulation.setEmulatedMedia", {"features": [scheme]})
        command("Emulation.setScriptExecutionDisabled", {"value": not script})
        self.driver.get(Path(path).as_uri())
        if script:
            self.wait("document.querySelectorAll('.drawing:not([data-drawn])').length === 0")

    def run(self, script, *args):
        """Return what a script returns."""
        return self.driver.execute_script(script, *args)

    def click(self, selector):
        """Activate what a selector finds, as a key press would; returns it."""
        element = self.driver.find_element("css selector", selector)
        self.run("arguments[0].click()", element)
        return element

    def wait(self, condition, seconds=20):
        """Wait until a JavaScript expression holds; what does not hold in time fails the test."""
        end = time.monotonic() + seconds
        while not self.run(f"return {condition}"):
            assert time.monotonic() < end, f"waited {seconds} s for {condition}"
            time.sleep(0.05)

    def console(self):
        """Return messages of the console since the last call, as text."""
        return [f"{m['level']}: {m['message']}" for m in self.driver.get_log("browser")]


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if shutil.which(CHROMIUM) is None or shutil.which(DRIVER) is None:
        pytest.skip("needs chromium and chromedriver (apt-get install chromium chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    downloads = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
    driver.downloads = downloads
    try:
        yield Browser(driver)
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Reports as files: complete, measured, hostile, empty, of several studies, with the library beside it."""
    folder = tmp_path_factory.mktemp("reports")
    kinds = {
        "complete": synthetic.material(),
        "measured": synthetic.material(measured=True),
        "hostile": synthetic.hostile_material(),
        "empty": synthetic.empty_material(),
    }
    written = {name: render_material(material, folder / f"{name}.html") for name, material in kinds.items()}
    written["several"] = render_comparison(synthetic.comparison(), folder / "several.html")
    written["beside"] = render_material(kinds["complete"], folder / "beside" / "report.html", plotly="directory")
    return written
