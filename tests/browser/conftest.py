"""Headless Chromium, Debian's own, driven by playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from octo_ssh.model.drift import DriftReport
from octo_ssh.output.drift_history import PastCheck
from octo_ssh.output.drift_html import report_html

Open = Callable[..., "Opened"]


class Opened:
    """A page in the browser, with what it said and asked for meanwhile."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())

    def is_too_wide(self) -> bool:
        """Whether the page as a whole can be moved sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))


# Not for the whole session: while it is open it keeps an event loop running, in which no other test could have its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if (chromium := shutil.which("chromium")) is None:
        pytest.skip("no chromium: it is a package of Debian, and make test installs it there as root")
    with sync_playwright() as playwright:
        words = ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses to run as root with one
        with playwright.chromium.launch(executable_path=chromium, args=words) as launched:
            yield launched


@pytest.fixture
def open_report(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """``open_report(report, past, color_scheme="dark")``: its page, opened from a file with these settings."""
    pages: list[Page] = []

    def open_(report: DriftReport, trend: tuple[PastCheck, ...] = (), **settings: object) -> Opened:
        path = tmp_path / f"report-{len(pages)}.html"
        path.write_text(report_html(report, trend), encoding="utf-8")
        pages.append(browser.new_page(**settings))  # type: ignore[arg-type]
        return Opened(pages[-1], path)

    yield open_
    for page in pages:
        page.close()
