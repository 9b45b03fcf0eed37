"""A real browser for pages: Chromium without a window, whose console is read and whose pictures can be looked at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service


@contextmanager
def open_browser(*, width: int = 1280, height: int = 900, dark: bool = False, offline: bool = True) -> Iterator[Chrome]:
    """Chromium at a window size in pixels; `offline` lets it reach this machine alone, so that a CDN would be noticed.

    What pages wrote to the console is in `browser.get_log("browser")`.
    """
    driver = shutil.which("chromedriver")
    assert driver, "chromedriver is missing: apt-get install chromium chromium-driver"
    options = ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={width},{height}"):
        options.add_argument(argument)
    if offline:
        options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost")
    if dark:
        options.add_argument("--force-prefers-color-scheme=dark")
        options.add_argument("--blink-settings=preferredColorScheme=0")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()
