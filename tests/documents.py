"""The blocks of code in the documents, and what has to lie around them to be executed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from eyechart.cli.main import build

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
# What no test can have: these blocks are only parsed.
ELSEWHERE = {
    "gpu": "needs a GPU and a hub",
    "slurm": "needs a scheduler",
    "served": "needs a server",
    "install": "installs",
    "make": "is what calls the tests, or takes half an hour",
}
_BLOCK = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_OPTION = re.compile(r"^:(\w+): (.+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its class ("" for none), the name of the file that it is, its text."""

    page: Path
    line: int
    language: str
    kind: str
    file: str
    text: str

    @property
    def name(self) -> str:
        """Return where it stands."""
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in their order; pages that are only shown have none."""
    text, found = page.read_text(encoding="utf-8"), []
    for match in _BLOCK.finditer(text):
        info, body = match["info"].strip(), match["body"]
        if info.startswith("{") and not info.startswith("{code-block}"):
            continue  # a directive of the site
        language = info.removeprefix("{code-block}").strip()
        options = dict(_OPTION.findall(body)) if info.startswith("{") else {}
        body = _OPTION.sub("", body) if options else body
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, language, options.get("class", ""), options.get("name", ""), body))
    return found


def lines(block: Block) -> list[str]:
    """Return the lines of a block of shell, those that go on in the next one joined."""
    shell = block.text if block.language in ("bash", "") else ""
    return [line for line in shell.replace("\\\n", " ").splitlines() if line.strip()]


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the words of every command of Eyechart in a block, without the program's name."""
    for line in lines(block):
        words = shlex.split(line, comments=True)
        for start in ("eyechart", "eyechart.cli.main"):
            if start in words:
                yield words[words.index(start) + 1 :]


def run(block: Block, folder: Path) -> None:
    """Execute a block in a folder, as a reader would; raises if it fails.

    Eyechart's commands are called in this process, which has loaded already what each would have to load.
    """
    if block.file:
        (folder / block.file).write_text(block.text, encoding="utf-8")
    elif block.language == "python":
        _call([sys.executable, "-c", block.text], block, folder)
    for line in lines(block):
        if line.startswith("eyechart "):
            with chdir(folder):
                words = [found for word in shlex.split(line)[1:] for found in _found(word)]
                done = CliRunner().invoke(build(), words)
            assert done.exit_code == 0, f"{block.name}\n{line}\n{done.output[-3000:]}\n{done.exception!r}"
        else:
            _call(["bash", "-euc", line], block, folder)


def _found(word: str) -> list[str]:
    """Return the paths that a word stands for, as a shell would."""
    return sorted(map(str, Path().glob(word))) if "*" in word else [word]


def _call(call: list[str], block: Block, folder: Path) -> None:
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": paths, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{block.name}\n{call[-1]}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def surround(folder: Path) -> None:
    """Put into a folder what the pages speak of: a model of a real class, pictures, a dataset, answers."""
    import tiny

    from eyechart.dataset import DatasetConfig, build_dataset

    subject = tiny.llava()
    model = folder / "llava-hf" / "llava-1.5-7b-hf"
    subject.model.save_pretrained(model)
    subject.processor.save_pretrained(model)
    (folder / "photos").mkdir()
    for number, pixels in enumerate(tiny.images(2)):
        Image.fromarray(np.asarray(pixels)).save(folder / "photos" / f"{number}.png")
    config = DatasetConfig(name="small", train_images=96, test_contents=2)
    dataset = build_dataset(config, folder / "datasets")
    table = dataset.table("test")
    table.assign(text=table["label"])[["image_id", "text"]].head(20).to_csv(
        folder / "answers.csv", index=False
    )
