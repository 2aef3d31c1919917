"""The official trees of rated corpora, rebuilt with tiny pictures.

Names, letter case, folders and side files are the published ones, and the score tables are the real ones of
../shared/data; where that is absent, these builders skip the test.
"""

from __future__ import annotations

import csv
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openpyxl
import pytest
from numpy.typing import NDArray
from scipy.io import loadmat, savemat

from eyechart.corpora import csiq as csiq_reader
from eyechart.corpora import live as live_reader

DATA = Path(__file__).parents[2] / "shared" / "data"
SIZE = (6, 8)  # height, width of the tiny pictures


def shared(name: str) -> Path:
    """Return a real file, or skip the test."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not in ../shared/data")
    return path


def pixels(number: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Return a picture that no other number gives."""
    image = np.full((*size, 3), 90, np.uint8)
    image[0, :4, 0] = np.array([number >> 24, number >> 16, number >> 8, number]) & 255
    return image


def encoded(number: int, suffix: str = ".png", size: tuple[int, int] = SIZE) -> bytes:
    """Return such a picture as the bytes of a file."""
    done, data = cv2.imencode(suffix.lower(), pixels(number, size)[..., ::-1])
    assert done
    return bytes(data)


def copied(tree: Path, copy: Path) -> Path:
    """Copy a tree, to be changed at will."""
    shutil.copytree(tree, copy, copy_function=shutil.copyfile)
    return copy


def _fill(root: Path, files: list[str]) -> None:
    """Write a different picture under each name."""
    for folder in {str(Path(file).parent) for file in files}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        (root / file).write_bytes(encoded(number, Path(file).suffix))


def _fill_alike(root: Path, files: list[str]) -> None:
    """Write one picture under every name, by links: for tests that decode nothing."""
    for folder in {str(Path(file).parent) for file in files}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    first = root / files[0]
    first.write_bytes(encoded(1, ".png"))
    for file in files[1:]:
        os.link(first, root / file)


def _pack(path: Path, files: list[str]) -> None:
    """Write a zip with one picture under every name: for tests that decode nothing."""
    data = encoded(1)
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            archive.writestr(zipfile.ZipInfo(file), data)


def kadid10k(root: Path) -> Path:
    """kadid10k.zip as unpacked."""
    names = [f"I{reference:02}" for reference in range(1, 82)]
    distorted = [
        f"{name}_{kind:02}_{level:02}" for name in names for kind in range(1, 26) for level in range(1, 6)
    ]
    table = shared("kadid10k/dmos.csv")
    _fill(root, [f"images/{name}.png" for name in names + distorted])
    shutil.copyfile(table, root / "dmos.csv")
    return root


def tid(root: Path, name: str) -> Path:
    """tid2008.rar or tid2013.rar as unpacked: names have the mixed case of mos_with_names.txt."""
    tables = [shared(f"{name}/{table}") for table in ("mos_with_names.txt", "mos.txt", "mos_std.txt")]
    distorted = [line.split()[1] for line in tables[0].read_text().splitlines()]
    references = [f"I{number:02}.BMP" for number in range(1, 25)] + ["i25.bmp"]
    files = [f"reference_images/{file}" for file in references] + [
        f"distorted_images/{file}" for file in distorted
    ]
    _fill(root, files)
    for table in tables:
        shutil.copyfile(table, root / table.name)
    (root / "metrics_values").mkdir()
    (root / "metrics_values" / "PSNR.txt").write_text("30.0\r\n" * len(distorted))
    (root / "readme").write_text(name.upper())
    return root


CSIQ_TOKENS = {"AWGN": "awgn", "BLUR": "blur", "JPEG": "jpeg", "contrast": "contrast", "fnoise": "fnoise"}


def csiq(root: Path) -> Path:
    """CSIQ's two zips as unpacked, and the authors' own workbook (the beta, of the same layout)."""
    workbook, labels = shared("csiq/csiq.beta.xlsx"), shared("csiq/csiq_label.txt")
    distorted = []
    for line in labels.read_text().splitlines():
        file = line.split()[0]
        token = file.split(".")[1]
        distorted.append(f"dst_imgs/{CSIQ_TOKENS.get(token, token)}/{file}")
    _fill(root, [*(f"src_imgs/{name}.png" for name in csiq_reader.REFERENCES), *distorted])
    shutil.copyfile(workbook, root / "csiq.DMOS.xlsx")
    return root


def csiq_workbook(path: Path, rows: list[tuple[Any, ...]]) -> None:
    """Write a workbook of the released layout: blank rows, header in row 4 from column D, padding, #REF!."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "all_by_distortion"
    sheet["D4"], sheet["E4"], sheet["D5"] = "dst_idx", "dst_type", "#REF!"
    sheet = book.create_sheet("all_by_image")
    header = ("image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos")
    for down, cells in enumerate([header, *rows], 4):
        for right, cell in enumerate(cells, 4):
            sheet.cell(down, right, cell)
    sheet.cell(len(rows) + 6, 5, " ")  # padding below the table
    book.save(path)


def live(root: Path, *, beside: bool = False) -> Path:
    """databaserelease2.zip as unpacked, with dmos_realigned.mat in it or beside it."""
    with shared("live/live_982_index.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    orgs = np.array([[int(row["org"]) for row in rows]], np.uint8)
    scores = np.array([[float(row["dmos_realigned"]) for row in rows]])
    stds = np.array([[float(row["dmos_std"]) for row in rows]])
    copied = iter(range(10**6))  # which reference a copy copies is not in the table
    names = [
        row["reference"] or f"{live_reader.REFERENCES[next(copied) % len(live_reader.REFERENCES)]}.bmp"
        for row in rows
    ]
    references = [f"refimgs/{name}.bmp" for name in live_reader.REFERENCES]
    _fill(root, [*references, *(f"{row['folder']}/{row['file']}" for row in rows)])
    for row, name in zip(rows, names, strict=True):
        if row["org"] == "1":
            shutil.copyfile(root / "refimgs" / name, root / row["folder"] / row["file"])
    cells = np.empty((1, len(names)), object)
    cells[0, :] = names
    savemat(root / "refnames_all.mat", {"refnames_all": cells})
    savemat(root / "dmos.mat", {"dmos": scores, "orgs": orgs})
    place = root.parent if beside else root
    savemat(place / "dmos_realigned.mat", {"dmos_new": scores, "dmos_std": stds, "orgs": orgs})
    for folder in live_reader.FOLDERS:
        _live_info(
            root,
            folder,
            [(row, name) for row, name in zip(rows, names, strict=True) if row["folder"] == folder],
        )
    (root / "readme.txt").write_text("LIVE Image Quality Assessment Database Release 2")
    return root


def live_parameter(row: dict[str, str]) -> float:
    """Return the parameter that the rebuilt info.txt gives a picture."""
    return 0.0 if row["org"] == "1" else round(0.1 + int(row["position"]) / 1000, 3)


def _live_info(root: Path, folder: str, rows: list[tuple[dict[str, str], str]]) -> None:
    """Write info.txt with the published file's faults: order, line ends, blank line, one wrong source."""
    lines = [f"{name} {row['file']} {live_parameter(row):g}" for row, name in rows]
    if folder in ("wn", "gblur"):
        lines = lines[1::2] + lines[::2]
    if folder == "wn":
        lines[15] = "building2.bmp " + lines[15].split(" ", 1)[1]
    end = "\r\r\n" if folder == "gblur" else "\r\n"
    start = "\r\n" if folder == "fastfading" else ""
    (root / folder / "info.txt").write_bytes((start + end.join(lines) + end).encode())


def koniq10k(root: Path) -> Path:
    """koniq10k_512x384.zip as it is, beside the table with the official split."""
    table = shared("koniq10k/koniq10k_distributions_sets.csv")
    with table.open() as stream:
        names = [row["image_name"] for row in csv.DictReader(stream)]
    _pack(root / "koniq10k_512x384.zip", [f"512x384/{name}" for name in names])
    shutil.copyfile(table, root / table.name)
    return root


def koniq10k_scores(path: Path) -> None:
    """Write koniq10k_scores_and_distributions.csv (counts, both scores) from the other table."""
    with shared("koniq10k/koniq10k_distributions_sets.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    lines = ['"image_name","c1","c2","c3","c4","c5","c_total","MOS","SD","MOS_zscore"']
    for row in rows:
        total = int(row["c_total"])
        counts = [round(float(row[f"c{rating}"]) * total) for rating in range(1, 6)]
        mean = sum(rating * count for rating, count in enumerate(counts, 1)) / total
        numbers = ",".join(str(number) for number in (*counts, total, mean, row["SD"], row["MOS"]))
        lines.append(f'"{row["image_name"]}",{numbers}')
    path.write_text("\n".join(lines) + "\n")


def spaq(root: Path) -> Path:
    """SPAQ with its workbook; the scores are real, the attributes made up."""
    with shared("score_tables/SPAQ.txt").open() as stream:
        rows = [(row["dis_img_path"].split("/")[-1], float(row["score"])) for row in csv.DictReader(stream)]
    _fill_alike(root, [f"TestImage/{name}" for name, _ in rows])
    (root / "Annotations").mkdir()
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    sheet.append(["Image name", "MOS", "Brightness", "Colorfulness", "Contrast", "Noisiness", "Sharpness"])
    for name, score in rows:
        sheet.append([name, score, 50, 40.5, 30, 20, 10])
    book.save(root / "Annotations" / "MOS and Image attribute scores.xlsx")
    return root


def clive(root: Path) -> Path:
    """ChallengeDB_release: names and scores are real, the spreads made up."""
    held = loadmat(shared("clive/CLIVE.mat"))
    names = [str(cell[0][0]) for cell in held["AllImages_release"]]
    _fill_alike(
        root,
        [f"Images/{name}" if at >= 7 else f"Images/trainingImages/{name}" for at, name in enumerate(names)],
    )
    (root / "Data").mkdir()
    for name in ("AllImages_release", "AllMOS_release"):
        savemat(root / "Data" / f"{name}.mat", {name: held[name]})
    savemat(root / "Data" / "AllStdDev_release.mat", {"AllStdDev_release": np.full((1, len(names)), 19.0)})
    return root


def pipal(root: Path) -> Path:
    """The training part of PIPAL: the zips as they are, the labels unpacked."""
    with shared("score_tables/PIPAL.txt").open() as stream:
        rows = [(Path(row["dis_img_path"]), row["score"]) for row in csv.DictReader(stream)]
    references = sorted({path.name[:5] for path, _ in rows})
    _pack(root / "Train_Ref.zip", [f"{name}.bmp" for name in references])
    for folder in sorted({path.parent.name for path, _ in rows}):
        _pack(root / f"{folder}.zip", [path.name for path, _ in rows if path.parent.name == folder])
    (root / "Train_Label").mkdir()
    lines: dict[str, list[str]] = {name: [] for name in references}
    for path, score in rows:
        lines[path.name[:5]].append(f"{path.name},{score}\n")
    for name in references:
        (root / "Train_Label" / f"{name}.txt").write_text("".join(lines[name]))
    return root


def agiqa3k(root: Path) -> Path:
    """AGIQA-3K.zip as unpacked, with data.csv."""
    table = shared("agiqa3k/data.csv")
    with table.open(encoding="utf-8") as stream:
        names = [row["name"] for row in csv.DictReader(stream)]
    _fill_alike(root, names)
    shutil.copyfile(table, root / "data.csv")
    return root


def build(name: str, root: Path) -> Path:
    """Build the tree of a corpus by its name in an empty folder."""
    if name.startswith("tid"):
        return tid(root, name)
    builders = (live, csiq, kadid10k, koniq10k, spaq, clive, pipal, agiqa3k)
    return {builder.__name__: builder for builder in builders}[name](root)
