"""The gallery: what is kept, what filters show in a real browser, and that one script alone runs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from run_fixture import HOSTILE, LABELS, make_run
from test_report import browser, opened, unfolded  # noqa: F401  the fixture is used by name

from eyechart.exam.shards import write_answers
from eyechart.report import build_report, cards, shelves
from eyechart.report.gallery import HEAVIEST, PLATE, PLATES, SIDE, keep_gallery
from eyechart.report.inputs import read_inputs
from eyechart.report.render import environment
from eyechart.runs import Run
from eyechart.seeds import rng


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a run with two arms."""
    arms = ("base", "vision+projector")
    return build_report(make_run(tmp_path_factory.mktemp("gallery") / "run", arms, inside=False).path)


def kept(path: Path, side: int, each: int = 3, levels: int = 2) -> pd.DataFrame:
    """Keep the gallery of noisy squares, ``each`` per label and level, and return it with their labels."""
    rows = [(label, level) for label in LABELS for level in range(levels) for _ in range(each)]
    table = pd.DataFrame(rows, columns=["label", "level"])
    table["image_id"] = [f"image {i}" for i in range(len(table))]
    noise = rng(0, "noise").integers(0, 256, (side, side + 8, 3), dtype=np.uint8)
    keep_gallery(Run(path), table, lambda ids: [noise] * len(ids))
    return Run(path).read_table("gallery.parquet").merge(table, on="image_id")


def test_one_image_per_label_and_level_is_kept_without_loss(tmp_path: Path) -> None:
    found = kept(tmp_path, 300)
    plates = found[[one.startswith(b"\x89PNG") for one in found["image"]]]
    assert len(found) == 48
    assert len(plates) == 16
    assert not plates.duplicated(["label", "level"]).any()
    assert list(plates.index) == list(range(16))  # any number of the first rows is even
    noise = rng(0, "noise").integers(0, 256, (300, 308, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(plates["image"].iloc[0])) as image:
        assert np.array_equal(np.asarray(image), noise[22 : 22 + PLATE, 26 : 26 + PLATE])
    assert set(zip(found["width"], found["height"], strict=True)) == {(308, 300)}


def test_thumbnails_stay_small(tmp_path: Path) -> None:
    found = kept(tmp_path, 320, each=1, levels=6)
    assert sum(one.startswith(b"\x89PNG") for one in found["image"]) == PLATES
    thumbnails = found["image"].iloc[PLATES:]
    assert thumbnails.map(len).max() <= HEAVIEST  # pure noise, the heaviest that there is
    with Image.open(io.BytesIO(thumbnails.iloc[0])) as image:
        assert image.format == "WEBP"
        assert max(image.size) == SIDE


def test_a_page_holds_what_fits_and_says_so(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, card = read_inputs(Run(page.parent)), environment().get_template("card.html.j2")
    monkeypatch.setattr(shelves, "BUDGET", 200_000)
    found = shelves.gallery(inputs, card)
    assert found is not None
    assert 5 < found.shown < found.kept == 192
    assert sum(len(one) for shelf in found.shelves for one in (*shelf.plates, *shelf.rest)) <= 200_000


def test_runs_of_before_show_their_images(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ("base",), inside=False, contents=3)
    table = run.read_table("gallery.parquet").head(4)[["image_id", "image"]]
    run.write_table(table, "gallery.parquet")
    assert "4 of the examined images" in build_report(run.path).read_text(encoding="utf-8")


def test_long_answers_are_cut(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ("base",), inside=False, contents=3)
    table = run.read_table("arms/base/answers")
    write_answers(run, "base", table.assign(text="blur " * 1000))
    text = build_report(run.path).read_text(encoding="utf-8")
    assert "(5000 characters)" in text
    assert "blur " * (cards.LONGEST // 5 + 1) not in text


def test_every_image_shows_with_its_words(browser: Any, page: Path) -> None:  # noqa: F811
    opened(browser, page)
    unfolded(browser)
    sizes = """const images = [...document.querySelectorAll('.card img')];
        images.forEach(one => one.loading = 'eager');
        Promise.all(images.map(one => one.decode())).then(() =>
            arguments[0](images.map(one => [one.alt, one.naturalWidth, one.width])))"""
    found = browser.execute_async_script(sizes)
    assert len(found) == 192
    assert all(alternative and natural == 128 for alternative, natural, _ in found)
    assert {width for *_, width in found} == {128, 256}


def counted(browser: Any) -> int:  # noqa: F811
    """Return how many images show, of which the page must say the same."""
    told = browser.find_element("css selector", "#filter output").text
    number = browser.execute_script("return document.querySelectorAll('.card:not([hidden])').length")
    assert told == f"{number} of 192 images"
    return int(number)


def choose(browser: Any, name: str, text: str) -> None:  # noqa: F811
    from selenium.webdriver.support.select import Select

    Select(browser.find_element("css selector", f"#filter [name={name}]")).select_by_visible_text(text)


def test_filters_show_what_the_answers_say(browser: Any, page: Path) -> None:  # noqa: F811
    parts = [Run(page.parent).read_table(f"arms/{arm}/answers") for arm in ("base", "vision+projector")]
    base, tuned = (
        part[(part["template"] == "paper") & (part["readout"] == "choose")]
        .set_index("image_id")
        .astype({"correct": bool})
        for part in parts
    )
    opened(browser, page)
    assert counted(browser) == 192
    choose(browser, "label", "blur")
    assert counted(browser) == (base["label"] == "blur").sum()
    choose(browser, "level", "5")
    assert counted(browser) == ((base["label"] == "blur") & (base["level"] == 5)).sum()
    browser.find_element("css selector", "#filter [type=reset]").click()
    browser.execute_async_script("setTimeout(arguments[0], 50)")
    assert counted(browser) == 192
    choose(browser, "outcome", "right")
    assert counted(browser) == base["correct"].sum()
    choose(browser, "series", "vision+projector, chooses")
    choose(browser, "outcome", "mended: wrong before tuning, right now")
    assert counted(browser) == (tuned["correct"] & ~base["correct"]).sum() > 0
    choose(browser, "type", "blur_fine")
    mended = tuned["correct"] & ~base["correct"] & (tuned["distortion"] == "blur_fine")
    assert counted(browser) == mended.sum()
    assert browser.get_log("browser") == []


def test_a_cell_shows_its_images(browser: Any, page: Path) -> None:  # noqa: F811
    from selenium.webdriver.common.keys import Keys

    table = Run(page.parent).read_table("arms/base/answers")
    mine = table[(table["template"] == "paper") & (table["readout"] == "choose") & (table["label"] == "blur")]
    opened(browser, page)
    cells = browser.find_elements("css selector", "#confusion table:first-of-type a[data-cell^='0 0 ']")
    reachable = [cell for cell in cells if cell.get_attribute("tabindex") == "0"]
    assert len(reachable) == 1
    browser.execute_script("arguments[0].focus()", cells[0])
    peek = browser.find_element("id", "peek")
    right = int((mine["predicted"] == "blur").sum())
    assert f"blur answered as blur: {right} of 24. In the gallery: {right}." in peek.text
    assert len(peek.find_elements("tag name", "img")) == min(12, right)
    cells[0].send_keys(Keys.ARROW_RIGHT)
    assert browser.switch_to.active_element.get_attribute("data-cell") == "0 0 1"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not peek.is_displayed()
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert counted(browser) == (mine["predicted"] == "noise").sum() > 0


def test_without_its_script_the_page_shows_all(
    browser: Any,  # noqa: F811
    page: Path,
    tmp_path: Path,
) -> None:
    html = page.read_text(encoding="utf-8")
    assert html.count("<script>") == 1
    altered = tmp_path / "altered.html"  # a script of another sha256 than the page's own is not run
    altered.write_text(html.replace("<script>", "<script> "), encoding="utf-8")
    opened(browser, altered)
    assert not browser.find_element("id", "filter").is_displayed()
    assert len(browser.find_elements("css selector", ".card:not([hidden])")) == 192
    dead = """return [...document.querySelectorAll('a[data-cell]')].filter(
        one => !document.getElementById(one.hash.slice(1))).length"""
    assert browser.execute_script(dead) == 0


ATTACKS = (
    "<script>document.title = 'taken'</script>",
    "<script src='data:text/javascript,document.title=%27taken%27'></script>",
    "<img src=x onerror=\"document.title = 'taken'\">",
    "<svg onload=\"document.title = 'taken'\"></svg>",
    "<iframe srcdoc=\"<script>parent.document.title = 'taken'</script>\"></iframe>",
    "<form action='javascript:document.title=1'><button autofocus onfocus=\"document.title = 'taken'\">",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_other_script_runs(browser: Any, page: Path, tmp_path: Path, attack: str) -> None:  # noqa: F811
    """Even a text that had escaped escaping would not run."""
    attacked = tmp_path / "attacked.html"
    attacked.write_text(page.read_text(encoding="utf-8").replace("</main>", f"{attack}</main>"))
    assert opened(browser, attacked).title != "taken"
    assert any("Content Security Policy" in entry["message"] for entry in browser.get_log("browser"))
    browser.execute_script("return 1")
    assert browser.title != "taken"


def test_the_page_can_make_no_markup_of_text(browser: Any, page: Path) -> None:  # noqa: F811
    opened(browser, page)
    tried = (
        "try { document.body.innerHTML = arguments[0]; return 'made' } catch (error) { return error.name }"
    )
    assert browser.execute_script(tried, HOSTILE[1]) == "TypeError"
    browser.get_log("browser")


def test_hostile_answers_and_names_stay_text(browser: Any, page: Path) -> None:  # noqa: F811
    opened(browser, page)
    unfolded(browser)
    told = browser.find_element("id", "gallery").get_attribute("textContent")
    for hostile in (HOSTILE[0], HOSTILE[1], HOSTILE[4]):
        assert hostile in told
    inside = "return document.querySelectorAll('.card script, .card [onerror], .card img[src=x]').length"
    assert browser.execute_script(inside) == 0
    assert browser.get_log("browser") == []
