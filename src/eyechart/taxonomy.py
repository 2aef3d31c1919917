"""From fine distortion types to the labels that an exam asks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from eyechart.errors import EyechartError

CLEAN = "none"  # the distortion of a picture without distortion
MADE = ("photos", "dead_leaves")  # corpora whose distortions Eyechart makes itself
OTHERS = "others"  # a map's section for every corpus without a section of its own
_SHIPPED = Path(__file__).parent / "label_maps"


@dataclass(frozen=True)
class LabelMap:
    """Which label each (corpus, distortion) has; None, with a reason, where it has none.

    Attributes:
        name, version: which map this is; a map that changes any assignment gets a new version.
        labels: in the order in which reports show them.
        entries: the label, or None. The corpus "others" stands for all that are not named.
        reasons: why an entry has no label.
    """

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
        return self.entries[self._key(corpus, distortion)]

    def reason(self, corpus: str, distortion: str) -> str:
        """Return why there is no label; empty where there is one.

        Raises:
            EyechartError: the map does not know them.
        """
        return self.reasons.get(self._key(corpus, distortion), "")

    def distortions(self, corpus: str, label: str) -> tuple[str, ...]:
        """Return the corpus' distortions that have a label, in alphabetical order."""
        return tuple(sorted(d for (c, d), found in self.entries.items() if (c, found) == (corpus, label)))

    def left_out(self, corpora: Collection[str]) -> list[dict[str, str]]:
        """Return what has no label in these corpora: one row per distortion and reason, with its corpora.

        A corpus in the section of all others is told of as "others".
        """
        own = {corpus for corpus, _ in self.entries}
        sections = {corpus if corpus in own else OTHERS for corpus in corpora}
        found: dict[tuple[str, str], list[str]] = {}
        for (corpus, distortion), reason in sorted(self.reasons.items()):
            if corpus in sections:
                found.setdefault((distortion, reason), []).append(corpus)
        return [
            {"distortion": distortion, "corpora": ", ".join(names), "reason": reason}
            for (distortion, reason), names in sorted(found.items())
        ]

    def plain(self) -> dict[str, Any]:
        """Return the map as plain values, for hashing and for records."""
        return {
            "name": self.name,
            "version": self.version,
            "labels": list(self.labels),
            "entries": {"/".join(key): label for key, label in sorted(self.entries.items())},
            "reasons": {"/".join(key): reason for key, reason in sorted(self.reasons.items())},
        }

    @classmethod
    def of_plain(cls, found: Mapping[str, Any]) -> Self:
        """Return the map that :meth:`plain` made these values from."""
        return cls(
            found["name"],
            found["version"],
            tuple(found["labels"]),
            {_pair(key): label for key, label in found["entries"].items()},
            {_pair(key): reason for key, reason in found.get("reasons", {}).items()},  # 0.1 kept none
        )

    def _key(self, corpus: str, distortion: str) -> tuple[str, str]:
        own = (corpus, CLEAN) in self.entries  # every section has it
        key = (corpus if own else OTHERS, distortion)
        if key not in self.entries:
            raise EyechartError(
                f"the label map {self.name} does not say what {corpus}/{distortion} is",
                f"add it to the map under {key[0]}, with a label or with null and a reason",
            )
        return key


def _pair(key: str) -> tuple[str, str]:
    corpus, _, distortion = key.partition("/")
    return corpus, distortion


def load_label_map(name_or_path: str) -> LabelMap:
    """Read a label map that ships with the package, by its name, or one's own, by its path.

    Raises:
        EyechartError: no such map; or it holds an unknown key, corpus, label or distortion, something twice,
            a type with neither label nor reason, or leaves a distortion out. The key is named.
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
    keys = [key.value for key, _ in node.value]  # as written: a merge ("<<") may repeat a key, a person not
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
        if not isinstance(types, dict):
            raise EyechartError(f"{path}: map.{corpus} holds no types", "write one line per type: its label")
        for distortion, value in types.items():
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
    """Refuse holes, and names that nothing has."""
    sections = {corpus: {d for c, d in entries if c == corpus} for corpus, _ in entries}
    required = _required()
    for corpus in sorted(set(required) ^ set(sections)):
        wrong = "is missing" if corpus in required else "is no corpus with types of its own"
        raise EyechartError(f"{path}: map.{corpus} {wrong}", f"corpora: {', '.join(required)}")
    for corpus, known in required.items():
        for distortion in sorted(known - sections[corpus]):
            raise EyechartError(
                f"{path}: map.{corpus}.{distortion} is missing",
                "give it a label, or write {label: null, reason: why}",
            )
        for distortion in sorted(sections[corpus] - known):
            raise EyechartError(
                f"{path}: map.{corpus}.{distortion} is no distortion of this corpus",
                f"known: {', '.join(sorted(known))}",
            )
        if entries[corpus, CLEAN] is None:
            raise EyechartError(
                f"{path}: map.{corpus}.{CLEAN} has no label", "name the label of clean pictures"
            )
    unused = sorted(set(labels) - set(entries.values()))
    if unused:
        raise EyechartError(f"{path}: nothing has the label {', '.join(unused)}", "map a distortion to it")


def _required() -> dict[str, set[str]]:
    """Return the distortions that each section of a map must assign, no more and no less."""
    from eyechart.corpora.corpus import AUTHENTIC
    from eyechart.corpora.types import TYPES
    from eyechart.distort import registry

    made = {CLEAN, *registry()}
    of_corpora = {corpus: {CLEAN, *types.values()} for corpus, types in TYPES.items()}
    return {**dict.fromkeys(MADE, made), **of_corpora, OTHERS: made.union(*of_corpora.values(), {AUTHENTIC})}
