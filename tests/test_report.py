"""The report in a real browser: nothing that a model wrote runs, and everything shows on every screen."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape
from run_fixture import HOSTILE, make_run
from sklearn.metrics import balanced_accuracy_score

from eyechart.exam.shards import write_answers
from eyechart.report import build_report
from eyechart.runs import Run
from eyechart.taxonomy import load_label_map

OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a whole run."""
    return build_report(make_run(tmp_path_factory.mktemp("whole") / "run").path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a headless Chromium."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with Chrome(options=options, service=Service(driver)) as chrome:
        yield chrome


def opened(browser: Any, page: Path, width: int = 1400, scheme: str = "light") -> Any:
    """Open a page at a width and colour scheme, and return the browser."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(page.as_uri())
    return browser


def unfolded(browser: Any) -> None:
    """Open everything that is folded on the page."""
    browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")


def test_nothing_complains_and_nothing_hostile_runs(browser: Any, page: Path) -> None:
    from selenium.common.exceptions import NoAlertPresentException

    opened(browser, page)
    with pytest.raises(NoAlertPresentException):
        _ = browser.switch_to.alert.text
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.scripts.length") == 1  # its own
    assert browser.execute_script("return document.querySelectorAll('[onerror]').length") == 0
    text = browser.find_element("tag name", "body").get_attribute("textContent")
    for hostile in (HOSTILE[0], HOSTILE[1], HOSTILE[4], "😀"):
        assert hostile in text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text)
    assert "⟨U+202E⟩" in text


def test_the_page_asks_for_nothing_from_outside(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    fetched = re.findall(r"""(?:src|href|srcset|data|action)\s*=\s*["']([^"']*)""", text)
    assert all(one.startswith(("data:", "#")) for one in fetched if "onerror" not in one)
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []


def test_every_figure_shows(browser: Any, page: Path) -> None:
    boxes = """return [...document.querySelectorAll('figure svg')].map(
        one => [one.getAttribute('aria-label'), one.getBBox().width, one.getBBox().height,
                one.querySelectorAll('text').length, one.querySelectorAll('path').length])"""
    found = opened(browser, page).execute_script(boxes)
    assert len(found) == 12
    for words, width, height, texts, paths in found:
        assert len(words) > 30
        assert width > 300
        assert height > 150
        assert texts > 5
        assert paths > 5
    ids = browser.execute_script("return [...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))


def test_text_in_figures_follows_the_colour_scheme(browser: Any, page: Path) -> None:
    colour = "return getComputedStyle(document.querySelector('figure svg text')).fill"
    ink = "return getComputedStyle(document.body).color"
    found = {}
    for scheme in ("light", "dark"):
        opened(browser, page, scheme=scheme)
        found[scheme] = browser.execute_script(colour)
        assert found[scheme] == browser.execute_script(ink)
    assert found["light"] != found["dark"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_enough_contrast(browser: Any, page: Path, scheme: str) -> None:
    names = ("--ink", "--quiet", "--link", "--good", "--bad")
    value = "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])"
    opened(browser, page, scheme=scheme)
    read = {
        name: browser.execute_script(value, name).strip() for name in (*names, "--paper", "--panel", "--heat")
    }
    for name in names:
        assert contrast(read[name], read["--paper"]) >= 4.5, name
    assert contrast(read["--quiet"], read["--panel"]) >= 4.5
    assert contrast(read["--ink"], read["--heat"]) >= 4.5


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours ``#rrggbb`` (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("width", [390, 768, 1400])
def test_no_screen_scrolls_sideways(browser: Any, page: Path, width: int) -> None:
    opened(browser, page, width)
    unfolded(browser)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_headings_are_in_order_and_links_lead_somewhere(browser: Any, page: Path) -> None:
    headings = "return [...document.querySelectorAll('h1,h2,h3,h4')].map(one => +one.tagName[1])"
    levels = opened(browser, page).execute_script(headings)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    dead = """return [...document.querySelectorAll('a')].filter(
        one => !document.getElementById(one.hash.slice(1))).length"""
    assert browser.execute_script(dead) == 0


def test_numbers_on_the_page_are_those_of_the_answers(page: Path) -> None:
    answers = Run(page.parent).read_table("arms/projector/answers")
    mine = answers[(answers["template_split"] == "train") & (answers["readout"] == "choose")]
    expected = balanced_accuracy_score(mine["label"], mine["predicted"])
    tables = pd.read_csv(page.parent / "tables" / "arms.csv").set_index("arm")
    assert tables.loc["projector", "train_choose"] == pytest.approx(expected)
    assert f"{100 * expected:.1f}\u00a0%" in page.read_text(encoding="utf-8")
    assert tables.loc["vision+projector", "trained_parameters"] == 102_000_000
    assert tables.loc["all", "seconds"] == pytest.approx(29.5)
    content = pd.read_csv(page.parent / "tables" / "content.csv").set_index(["arm", "question"])
    raw = {arm: pd.read_parquet(page.parent / "arms" / arm / "content.parquet") for arm in ("base", "all")}
    change = raw["all"]["correct"].mean() - raw["base"]["correct"].mean()
    assert content["change"].to_dict()["all", "all"] == pytest.approx(change)


def test_shipped_photographs_are_credited(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "Eileen Collins" in text
    assert "NASA" in text
    assert "Aitzol Berasategi" not in text  # ships, but is not in this run


def test_the_label_map_and_what_it_leaves_out_are_told(page: Path) -> None:
    text = page.read_text()
    assert "Label map: paper8, version 2." in text
    aside = text[text.index("Label map: paper8") :]
    rows = load_label_map("paper8").left_out(["photos", "dead_leaves", "live", "another"])
    assert f"gives no label: {len(rows)}." in aside
    assert all(escape(row["reason"]) in aside for row in rows)


def test_a_young_run_says_what_is_missing(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "empty", {"subject": "nano"})
    text = build_report(run.path).read_text(encoding="utf-8")
    for command in ("eyechart exam", "eyechart tune", "eyechart inside"):
        assert command in text
    assert text.count("Not examined yet") == 3


def test_a_run_without_tuning_or_inside(tmp_path: Path, browser: Any) -> None:
    run = make_run(tmp_path / "base", arms=("base",), inside=False, contents=3)
    (run.arm("base") / "DONE").unlink()
    text = build_report(run.path).read_text(encoding="utf-8")
    assert "There are no tuned arms yet" in text
    assert "There are no probes of the stages yet" in text
    assert "Not finished: base" in text
    assert opened(browser, run.path / "report.html").get_log("browser") == []


def test_one_readout_and_no_baselines_are_enough(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base", "projector"), contents=3)
    (run.path / "baselines.parquet").unlink()
    for arm in run.arms():
        table = run.read_table(f"arms/{arm}/answers")
        texts = table[(table["readout"] == "generate") & (table["template_split"] == "train")]
        write_answers(run, arm, texts)
    assert "What repairs it?" in build_report(run.path).read_text(encoding="utf-8")
