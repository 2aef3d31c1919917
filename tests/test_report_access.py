"""The report for everyone: axe-core in a real Chromium finds no serious fault, on screens and on paper."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from run_fixture import make_run
from test_report import browser, opened, unfolded  # noqa: F401  the fixture is used by name

from eyechart.compare import compare_runs
from eyechart.report import build_report
from eyechart.report.pair_page import build_pair_page

axe = pytest.importorskip("selenium_axe_python", reason="selenium-axe-python is not installed")
SCREENS = (("light", 1400), ("dark", 1400), ("light", 360), ("dark", 360))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a report with every section, and a page of two runs side by side."""
    folder = tmp_path_factory.mktemp("access")
    whole = build_report(make_run(folder / "whole", ("base", "projector"), contents=2).path)
    other = make_run(folder / "other", ("base",), inside=False, contents=2).path
    pair = build_pair_page(compare_runs([whole.parent, other]), (whole.parent, other), ("whole", "other"))
    return {"whole": whole, "pair": pair}


# axe-core takes minutes for thousands of elements alike: of rows and cards the first ones are left.
ALIKE = (
    ".shelf ~ .shelf, .card ~ .card ~ .card, .more .card ~ .card, tbody tr:nth-child(n+4), "
    "tr > :nth-child(n+5), figure svg > * > * ~ *, figure ~ figure ~ figure"
)


def faults(browser: Any) -> list[str]:  # noqa: F811
    """Return what axe-core calls serious or critical on the page that is open."""
    unfolded(browser)
    browser.execute_script("document.querySelectorAll(arguments[0]).forEach(one => one.remove())", ALIKE)
    browser.set_script_timeout(100)
    checked = axe.Axe(browser)
    checked.inject()
    found = checked.run(options="{resultTypes: ['violations']}")["violations"]
    return [
        f"{one['impact']}: {one['id']}: {one['nodes'][0]['html'][:200]} ({len(one['nodes'])})"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(("scheme", "width"), SCREENS)
@pytest.mark.parametrize("name", ["whole", "pair"])
def test_axe_finds_no_serious_fault(
    browser: Any,  # noqa: F811
    pages: dict[str, Path],
    name: str,
    scheme: str,
    width: int,
) -> None:
    opened(browser, pages[name], width, scheme)
    assert faults(browser) == []


def test_axe_finds_what_is_planted(browser: Any, pages: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    text = pages["pair"].read_text(encoding="utf-8")
    spoilt = tmp_path / "spoilt.html"
    spoilt.write_text(text.replace("</main>", '<img src="data:,"><p style="color:#ddd">pale</p></main>'))
    opened(browser, spoilt)
    found = " ".join(faults(browser))
    assert "image-alt" in found
    assert "color-contrast" in found


def test_keys_reach_the_report_and_show_where_they_are(browser: Any, pages: dict[str, Path]) -> None:  # noqa: F811
    from selenium.webdriver.common.keys import Keys

    opened(browser, pages["whole"])
    browser.find_element("tag name", "body").send_keys(Keys.TAB)
    skip = browser.switch_to.active_element
    assert skip.text == "Skip to the report"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert browser.execute_script(outline) == "solid"
    skip.send_keys(Keys.ENTER)
    assert browser.execute_script("return location.hash") == "#main"
    assert browser.execute_script("return document.documentElement.lang") == "en"
    heads = "return [...document.querySelectorAll('th:not([scope])')].length"
    assert browser.execute_script(heads) == 0


def test_paper_shows_what_is_folded(browser: Any, pages: dict[str, Path]) -> None:  # noqa: F811
    opened(browser, pages["whole"])
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    hidden = """const folded = 'details:not(.more, .more *, .raw, .card *) > :not(summary, .short)';
        return [...document.querySelectorAll(folded)].filter(
            one => !one.getBoundingClientRect().height && one.textContent.trim()).length"""
    assert browser.execute_script(hidden) == 0
    wide = """const edges = [...document.querySelectorAll('main table, main svg')].map(
            one => one.getBoundingClientRect());
        return edges.filter(one => one.height && one.right > innerWidth + 1).length"""
    size = {"width": 700, "height": 990, "deviceScaleFactor": 1, "mobile": False}  # A4 without its margins
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert browser.execute_script(wide) == 0
    # No rotated heading takes the width that it would have lying: the columns of a heat map are alike.
    uneven = """return [...document.querySelectorAll('table.heat thead tr')].filter(row => {
        const widths = [...row.children].slice(1).map(one => one.getBoundingClientRect().width);
        return Math.max(...widths) - Math.min(...widths) > 2 }).length"""
    assert browser.execute_script("return document.querySelectorAll('table.heat').length") > 3
    assert browser.execute_script(uneven) == 0
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
