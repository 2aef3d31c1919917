"""From fine distortion types to the labels that an exam asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from eyechart.errors import EyechartError

CLEAN = "none"  # the distortion of a picture without distortion
MADE = ("photos", "dead_leaves")  # corpora whose distortions Eyechart makes itself
_SHIPPED = Path(__file__).parent / "label_maps"


@dataclass(frozen=True)
class LabelMap:
    """Which label each (corpus, distortion) has; None, with a reason, where it has none."""

    name: str
    version: int
    labels: tuple[str, ...]
    entries: Mapping[tuple[str, str], str | None]
    reasons: Mapping[tuple[str, str], str]

    def label(self, corpus: str, distortion: str) -> str | None:
        """Return the label, or None where there is none for a reason.

        Raises:
            EyechartError: the map does not know them.
        """
        if (corpus, distortion) not in self.entries:
            raise EyechartError(
                f"the label map {self.name} does not say what {corpus}/{distortion} is",
                f"add it to the map under {corpus}, with a label or with null and a reason",
            )
        return self.entries[corpus, distortion]

    def distortions(self, corpus: str, label: str) -> tuple[str, ...]:
        """Return the corpus' distortions that have a label, in alphabetical order."""
        return tuple(sorted(d for (c, d), found in self.entries.items() if (c, found) == (corpus, label)))

    def plain(self) -> dict[str, Any]:
        """Return the map as plain values, for hashing and for records."""
        return {
            "name": self.name,
            "version": self.version,
            "labels": list(self.labels),
            "entries": {"/".join(key): label for key, label in sorted(self.entries.items())},
        }


def load_label_map(name_or_path: str) -> LabelMap:
    """Read a label map that ships with the package, by its name, or one's own, by its path.

    Raises:
        EyechartError: no such map; or it holds an unknown key, label or distortion, something twice, a type
            with neither label nor reason, or leaves a distortion out. The key is named.
    """
    shipped = _SHIPPED / f"{name_or_path}.yaml"
    path = shipped if shipped.is_file() else Path(name_or_path)
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), _Strict)  # noqa: S506  (a SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(sorted(p.stem for p in _SHIPPED.glob("*.yaml")))
        raise EyechartError(
            f"there is no label map {name_or_path!r}", f"known: {known}; or name a YAML file"
        ) from error
    except yaml.YAMLError as error:
        raise EyechartError(f"{path} is no valid YAML: {error}", "mend the file") from error
    return _checked(found, path)


class _Strict(yaml.SafeLoader):
    """YAML in which a key that comes twice is an error."""


def _mapping(loader: _Strict, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"{key!r} comes twice", node.start_mark)
    return loader.construct_mapping(node, deep=True)


_Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _checked(found: Any, path: Path) -> LabelMap:
    keys = {"name": str, "version": int, "labels": list, "map": dict}
    if not isinstance(found, dict) or set(found) != set(keys):
        raise EyechartError(f"{path} is no label map", f"it needs exactly the keys {', '.join(keys)}")
    for key, kind in keys.items():
        if not isinstance(found[key], kind):
            raise EyechartError(f"{path}: {key} must be of type {kind.__name__}", "mend the file")
    labels = tuple(str(label) for label in found["labels"])
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise EyechartError(f"{path}: labels holds {', '.join(twice)} twice", "name every label once")
    entries: dict[tuple[str, str], str | None] = {}
    reasons: dict[tuple[str, str], str] = {}
    for corpus, types in found["map"].items():
        for distortion, value in (types if isinstance(types, dict) else {}).items():
            label, reason = _entry(value, f"{path}: map.{corpus}.{distortion}", labels)
            entries[corpus, distortion] = label
            if label is None:
                reasons[corpus, distortion] = reason
    _complete(entries, labels, path)
    return LabelMap(found["name"], found["version"], labels, entries, reasons)


def _entry(value: Any, where: str, labels: tuple[str, ...]) -> tuple[str | None, str]:
    """Return a label, or None and the reason."""
    if isinstance(value, str):
        if value not in labels:
            raise EyechartError(f"{where}: {value!r} is no label", f"labels: {', '.join(labels)}")
        return value, ""
    refused = isinstance(value, dict) and set(value) == {"label", "reason"} and value["label"] is None
    if refused and isinstance(value["reason"], str) and value["reason"].strip():
        return None, value["reason"]
    raise EyechartError(
        f"{where} is neither a label nor a refusal", "write a label, or {label: null, reason: why}"
    )


def _complete(entries: Mapping[tuple[str, str], str | None], labels: tuple[str, ...], path: Path) -> None:
    """Refuse holes and names that nothing has, for the distortions that Eyechart makes."""
    from eyechart.distort import registry

    known = {CLEAN, *registry()}
    for corpus in MADE:
        mapped = {distortion for found, distortion in entries if found == corpus}
        for distortion in sorted(known ^ mapped):
            wrong = "is missing" if distortion in known else "is no distortion"
            raise EyechartError(
                f"{path}: map.{corpus}.{distortion} {wrong}", f"known: {', '.join(sorted(known))}"
            )
        if entries[corpus, CLEAN] is None:
            raise EyechartError(
                f"{path}: map.{corpus}.{CLEAN} has no label", "name the label of clean pictures"
            )
    unused = sorted(set(labels) - set(entries.values()))
    if unused:
        raise EyechartError(f"{path}: nothing has the label {', '.join(unused)}", "map a distortion to it")
