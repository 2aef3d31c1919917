"""Every block of code in the documents is executed; what needs another machine is parsed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from documents import ELSEWHERE, PAGES, ROOT, Block, blocks, commands, run, surround

from eyechart.cli.main import build

LANGUAGES = {"bash", "python", "yaml", "json", "text", ""}


@pytest.fixture(scope="session")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the pages speak of."""
    folder = tmp_path_factory.mktemp("documents")
    surround(folder)
    return folder


def of(kind: str) -> list[Path]:
    """Return the pages that have blocks of a class."""
    return [page for page in PAGES if any(block.kind == kind and _runs(block) for block in blocks(page))]


def _runs(block: Block) -> bool:
    return block.page.name != "README.md" and (block.language in ("bash", "python") or bool(block.file))


def _marked(page: Path) -> Any:
    """Return a page as a parameter; those whose many commands take minutes are run by hand."""
    slow = page.stem in ("api", "commands")
    return pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("page", [_marked(page) for page in of("")])
def test_a_page_can_be_followed(page: Path, surroundings: Path, tmp_path: Path) -> None:
    shutil.copytree(surroundings, tmp_path, dirs_exist_ok=True)
    python = []
    for block in blocks(page):
        if block.kind or not _runs(block):
            continue
        if block.language == "python":  # one page is one session
            python.append(block.text)
            continue
        run(block, tmp_path)
    if python:
        whole = next(block for block in blocks(page) if block.language == "python")
        run(Block(page, whole.line, "python", "", "", "\n".join(python)), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("page", of("slow"), ids=lambda page: page.stem)
def test_a_page_with_the_built_in_subject_can_be_followed(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.kind == "slow":
            run(block, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_one(page: Path) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, block.name
        assert block.kind in {"", "slow", "corpus", *ELSEWHERE}, block.name
        for words in commands(block):
            _parse(words, block)


def _parse(words: list[str], block: Block) -> None:
    """Parse the words as the program would, and call nothing."""
    found: Any = typer.main.get_command(build())
    while isinstance(found, typer.core.TyperGroup):
        assert words, f"{block.name}: no command"
        assert words[0] in found.commands, f"{block.name}: there is no command {words[0]}"
        found, words = found.commands[words[0]], words[1:]
    found.make_context("eyechart", list(words))


def test_a_wrong_option_is_found() -> None:
    block = Block(PAGES[0], 1, "bash", "", "", "eyechart report RUN --no-such-option\n")
    with pytest.raises(Exception, match="no-such-option"):
        _parse(next(commands(block)), block)


def test_the_site_has_no_broken_link(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the documents' builder is not installed")
    source = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("reference"))
    call = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(source)]
    done = subprocess.run([*call, str(tmp_path / "site")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert (tmp_path / "site" / "index.html").is_file()
