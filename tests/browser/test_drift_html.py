"""The page about a check for drift, as a browser shows it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from octo_ssh.model.drift import DriftReport
from tests.browser.conftest import Open
from tests.browser.reports import HARMS, fleet, harmful, past

SIZES = pytest.mark.parametrize(("targets", "steps"), [(3, 3), (300, 20)])
PHONE = {"width": 360, "height": 740}


@SIZES
def test_the_page_is_whole_and_asks_for_nothing(open_report: Open, targets: int, steps: int) -> None:
    shown = open_report(fleet(targets, steps), past(30, targets))
    assert shown.complaints == []
    assert len(shown.requests) == 1, "the page itself"
    rows = shown.page.locator(".map tbody tr")
    assert rows.count() == targets
    assert shown.page.locator(".map thead th").count() == steps + 1
    assert shown.page.locator(".trend svg g").count() == 30
    expect(shown.page.locator("h1")).to_contain_text(f"of {targets} targets")
    assert not shown.is_too_wide()


@SIZES
def test_on_a_phone_nothing_but_tables_and_diffs_moves_sideways(open_report: Open, targets: int, steps: int) -> None:
    shown = open_report(fleet(targets, steps), past(30, targets), viewport=PHONE)
    assert not shown.is_too_wide()
    shown.page.evaluate("for (const box of document.querySelectorAll('details')) box.open = true")
    assert not shown.is_too_wide()


def test_hostile_names_are_nothing_but_text(open_report: Open) -> None:
    shown = open_report(harmful(), past(3, 9), viewport=PHONE)
    shown.page.evaluate("for (const box of document.querySelectorAll('details')) box.open = true")
    for item in shown.page.locator(".map th[scope=row]").all():
        item.hover()
    assert shown.page.title().startswith("Drift: <script>")
    assert shown.page.locator("script").count() == 1
    assert shown.page.locator("img").count() == 0
    assert shown.page.locator("[onmouseover], [onerror]").count() == 0
    assert shown.complaints == []
    assert len(shown.requests) == 1
    assert not shown.is_too_wide()
    text = shown.page.locator("body").inner_text()
    assert HARMS[0] in text
    assert HARMS[4] in text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b\x00]", shown.page.content())


def test_a_foreign_direction_stays_within_its_name(open_report: Open) -> None:
    shown = open_report(harmful())
    summary = shown.page.locator("details.target", has_text=HARMS[6]).locator("> summary")
    name, chip = summary.locator("bdi").bounding_box(), summary.locator(".chip").bounding_box()
    assert name is not None
    assert chip is not None
    assert chip["x"] >= name["x"] + name["width"]


def test_no_script_can_be_slipped_in(open_report: Open) -> None:
    """What escaping let through, the page's own policy would still not run."""
    shown = open_report(fleet(3, 3))
    shown.page.evaluate(
        """() => { const made = document.createElement('script'); made.textContent = "document.title = 'harmed'";
                   document.body.append(made); }"""
    )
    assert shown.page.title() != "harmed"
    assert any("Content Security Policy" in complaint for complaint in shown.complaints)


def test_all_can_be_read_without_script(open_report: Open) -> None:
    shown = open_report(fleet(30, 5), past(3, 30), java_script_enabled=False)
    expect(shown.page.locator("#find")).to_be_hidden()
    shown.page.locator(".more > summary").first.click()
    expect(shown.page.locator(".diff").first).to_be_visible()
    quiet = shown.page.locator(".map tr.quiet").first
    expect(quiet).to_be_visible()
    shown.page.get_by_label("only what is not in sync").check()
    expect(quiet).to_be_hidden()


def test_light_and_dark_can_be_read(open_report: Open) -> None:
    for scheme in ("light", "dark"):
        shown = open_report(fleet(9, 3), past(9, 9), color_scheme=scheme)
        contrasts = shown.page.evaluate(_CONTRASTS)
        assert len(contrasts) > 30
        assert {text: ratio for text, ratio in contrasts.items() if ratio < 4.5} == {}, scheme


_CONTRASTS = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const over = (under, color) => {
    canvas.fillStyle = under; canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    return `rgb(${r}, ${g}, ${b})`;
  };
  const light = (color) => {
    const parts = color.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const box = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !box.checkVisibility() || box.closest('script, .hidden')) continue;
    const chain = [];
    for (let up = box; up; up = up.parentElement) chain.unshift(getComputedStyle(up).backgroundColor);
    const under = chain.reduce(over, 'white');
    const [one, two] = [light(over(under, getComputedStyle(box).color)), light(under)];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    found[`${walker.currentNode.data.trim()} ${box.className}`] = ratio;
  }
  return found;
}"""


def test_find_narrows_targets_and_paths(open_report: Open) -> None:
    shown = open_report(fleet(300, 20))
    shown.page.get_by_label("Find").fill("web-001")
    assert shown.page.locator(".map tbody tr:visible").count() == 1
    assert shown.page.locator("details.target:visible").count() == 1
    shown.page.get_by_label("Find").fill("bin/start")
    drifted = 33  # the fourth of every nine
    assert shown.page.locator(".map tbody tr:visible").count() == drifted
    assert shown.page.locator("details.target:visible").count() == drifted
    assert shown.page.locator("section[aria-labelledby=h-findings] li:visible").count() == 1
    shown.page.get_by_label("Find").fill("")
    assert shown.page.locator(".map tbody tr:visible").count() == 300


def test_the_map_leads_to_the_details_and_they_to_the_finding(open_report: Open) -> None:
    shown = open_report(fleet(300, 20))
    shown.page.locator(".map").get_by_role("link", name="web-001").click()
    details = shown.page.locator("details.target", has_text="web-001").first
    expect(details.locator(".step").first).to_be_in_viewport()
    details.get_by_role("link", name="with what changed").click()
    expect(shown.page.locator("li", has_text="etc/app.conf").first).to_be_in_viewport()


def test_the_keyboard_reaches_what_can_be_opened(open_report: Open) -> None:
    shown = open_report(fleet(9, 3))
    shown.page.locator(".more > summary").first.focus()
    shown.page.keyboard.press("Enter")
    expect(shown.page.locator(".diff").first).to_be_visible()
    shown.page.keyboard.press("Tab")
    assert shown.page.evaluate("document.activeElement.className") == "diff"


def test_tables_have_headers_and_sections_have_names(open_report: Open) -> None:
    shown = open_report(fleet(9, 3), past(5, 9))
    assert shown.page.locator("table").count() == 2
    for table in shown.page.locator("table").all():
        assert table.locator("thead th[scope=col]").count() > 1
        assert table.locator("tbody tr").count() == table.locator("tbody th[scope=row]").count()
    for section in shown.page.locator("section").all():
        label = section.get_attribute("aria-labelledby")
        assert shown.page.locator(f"#{label}").inner_text()
    assert shown.page.get_by_role("img", name="5 checks").count() == 1
    ids = shown.page.evaluate("[...document.querySelectorAll('[id]')].map((item) => item.id)")
    assert len(ids) == len(set(ids))
    links = shown.page.evaluate("[...document.querySelectorAll('a')].map((item) => item.getAttribute('href'))")
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_printed_it_is_light_and_nothing_stays_folded(open_report: Open) -> None:
    shown = open_report(fleet(30, 5), past(9, 30), color_scheme="dark")
    shown.page.emulate_media(media="print")
    assert shown.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    expect(shown.page.locator("#find")).to_be_hidden()
    expect(shown.page.locator(".step").first).to_be_visible()
    assert shown.page.evaluate("getComputedStyle(document.querySelector('.map')).overflow") == "visible"
    assert shown.page.pdf().startswith(b"%PDF")


def test_a_fleet_without_a_target_has_a_page_too(open_report: Open) -> None:
    shown = open_report(DriftReport("shop", None, "2026-11-24T02:00:00+00:00", ()))
    expect(shown.page.locator("h1")).to_have_text("There is no target")
    assert shown.complaints == []
