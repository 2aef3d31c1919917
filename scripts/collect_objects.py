"""Collect the everyday objects that ship with Eyechart (transparent PNG, 64 x 64 pixels) and their table.

Run it with `python scripts/collect_objects.py`; which objects are taken stands in `collect/objects.csv`.
They are the Noto emoji of Google, Apache-2.0 as the README.md of the package emoji-datasource-google says.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from source_packages import TABLES, fetch, pinned_packages, read_member, read_table, sha256_of, write_table

OBJECTS = Path(__file__).parents[1] / "src" / "eyechart" / "data" / "objects"


def collect_objects() -> None:
    """Write every object and `objects.csv`."""
    OBJECTS.mkdir(parents=True, exist_ok=True)
    packages = pinned_packages()
    rows = []
    for choice in read_table(TABLES / "objects.csv"):
        package = packages[choice["package"]]
        data = read_member(fetch(package), choice["path_in_package"])
        with Image.open(io.BytesIO(data)) as image:
            if image.size != (64, 64):
                raise SystemExit(f"{choice['path_in_package']} is {image.size}, not 64 x 64 pixels.")
        name = choice["name"]
        (OBJECTS / f"{name}.png").write_bytes(data)
        rows.append(
            {
                "file": f"{name}.png",
                "name": name,
                "license": "Apache-2.0",
                "package": f"npm:{package.name}",
                "version": package.version,
                "package_sha256": package.sha256,
                "path_in_package": choice["path_in_package"],
                "sha256": sha256_of(data),
            }
        )
    write_table(OBJECTS / "objects.csv", rows)
    print(f"{len(rows)} objects in {OBJECTS}")


if __name__ == "__main__":
    collect_objects()
