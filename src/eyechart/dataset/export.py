"""Write a dataset in the form that another trainer or harness reads.

Training forms hold the train and validation splits with the train templates alone, so that neither the
exam's pictures nor its held-out wordings can be learned. The form for lmms-eval holds the test split and
every template. Formats are those documented by LLaVA (docs/Finetune_Custom_Data.md), ms-swift (Custom
dataset), LLaMA-Factory (data/README.md, sharegpt) and lmms-eval (docs/task_guide.md).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from eyechart.dataset.dataset import Dataset
from eyechart.dataset.store import shards
from eyechart.errors import EyechartError
from eyechart.progress import track
from eyechart.templates import Template, load_templates

_TRAINING = ("train", "validation")
_SUFFIXES = {b"\x89P": ".png", b"BM": ".bmp", b"\xff\xd8": ".jpg"}

Example = tuple[str, Path, str, str]  # image_id, picture's path below the folder, question, answer


def export_dataset(dataset: Dataset, form: str, out: Path) -> Path:
    """Write a dataset for another program into a new folder.

    Args:
        dataset: what to write.
        form: one of ``FORMS``: "llava", "ms-swift", "llama-factory" or "lmms-eval".
        out: the folder; it must be absent or empty.

    Returns:
        the README.md in it that says how to use it.

    Raises:
        EyechartError: no such form, the folder is in use, or the file system refused.
    """
    if form not in FORMS:
        raise EyechartError(f"there is no export {form!r}", f"known: {', '.join(FORMS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise EyechartError(f"{out} is not empty", "name a new folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        usage = FORMS[form](dataset, out.resolve())
        terms = dataset.path / "README.md"
        if terms.is_file():  # the terms of the pictures go where the pictures go
            shutil.copyfile(terms, out / "DATASET.md")
        readme = out / "README.md"
        readme.write_text(
            f"# {dataset.name} for {form}\n\nHash of the dataset: `{dataset.hash}`. Terms: `DATASET.md`.\n\n"
            f"{usage}\n",
            encoding="utf-8",
        )
    except OSError as error:
        raise EyechartError(
            f"cannot write to {out}: {error.strerror or error}", "free some space, or name another folder"
        ) from error
    return readme


def _llava(dataset: Dataset, out: Path) -> str:
    for split in _TRAINING:
        entries = [
            {
                "id": name,
                "image": path.as_posix(),
                "conversations": [
                    {"from": "human", "value": f"<image>\n{question}"},
                    {"from": "gpt", "value": answer},
                ],
            }
            for name, path, question, answer in _examples(dataset, split, out)
        ]
        _write_json(out / f"{split}.json", entries)
    return f"Give LLaVA's trainer `--data_path {out}/train.json --image_folder {out}`."


def _ms_swift(dataset: Dataset, out: Path) -> str:
    for split in _TRAINING:
        with (out / f"{split}.jsonl").open("w", encoding="utf-8") as stream:
            for _, path, question, answer in _examples(dataset, split, out):
                # Absolute, as ms-swift looks for other paths in the folder it is started in.
                entry = {"messages": _messages(question, answer), "images": [str(out / path)]}
                stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
    return f"`swift sft --dataset {out}/train.jsonl --val_dataset {out}/validation.jsonl ...`"


def _llama_factory(dataset: Dataset, out: Path) -> str:
    info = {}
    for split in _TRAINING:
        entries = [
            {"messages": _messages(question, answer), "images": [path.as_posix()]}
            for _, path, question, answer in _examples(dataset, split, out)
        ]
        _write_json(out / f"{split}.json", entries)
        info[f"eyechart_{split}"] = {
            "file_name": f"{split}.json",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "images": "images"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
            },
        }
    _write_json(out / "dataset_info.json", info)
    return (
        f"Set `dataset_dir: {out}`, `dataset: eyechart_train` and `eval_dataset: eyechart_validation`; the "
        "pictures are found below `dataset_dir`."
    )


def _lmms_eval(dataset: Dataset, out: Path) -> str:
    import yaml

    (out / "data").mkdir()
    for path in shards(dataset.path, "test"):
        shutil.copyfile(path, out / "data" / path.name)
    shutil.copyfile(Path(__file__).with_name("lmms_eval.py"), out / "utils.py")
    _write_json(out / "labels.json", list(dataset.labels))
    for template in load_templates():
        text = yaml.safe_dump(_task(dataset, template, out), sort_keys=False, allow_unicode=True)
        for name in ("doc_to_visual", "doc_to_text", "process_results"):
            text += f"{name}: !function utils.{name}\n"
        (out / f"{_task_name(dataset, template)}.yaml").write_text(text, encoding="utf-8")
    return (
        f"`python -m lmms_eval --include_path {out} --tasks eyechart --model ...` asks every wording. "
        "Eyechart must be installed beside lmms-eval, as its parser reads the answers. The task files name "
        "this folder: export again rather than move it."
    )


def _task(dataset: Dataset, template: Template, out: Path) -> dict[str, Any]:
    return {
        "task": _task_name(dataset, template),
        "tag": ["eyechart"],
        "dataset_path": "parquet",
        "dataset_kwargs": {"data_files": {"test": f"{out}/data/test-*.parquet"}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_target": "label",
        "generation_kwargs": {"max_new_tokens": 16, "temperature": 0, "do_sample": False},
        "lmms_eval_specific_kwargs": {"default": {"question": template.question(dataset.labels)}},
        "metric_list": [
            {"metric": name, "aggregation": "mean", "higher_is_better": True}
            for name in ("accuracy", "one_label")
        ],
        "metadata": [{"version": 1.0, "dataset": dataset.hash, "template": template.id}],
    }


def _task_name(dataset: Dataset, template: Template) -> str:
    return f"eyechart_{dataset.name}_{template.id}".replace("-", "_")


def _examples(dataset: Dataset, split: str, out: Path) -> Iterator[Example]:
    """Write a split's pictures below ``out`` and yield what is asked of each; train templates take turns."""
    templates = [template for template in load_templates() if template.split == "train"]
    folder = Path("images") / split
    (out / folder).mkdir(parents=True)
    total = dataset.record()["images"][split]
    for number, row in enumerate(track(dataset.rows(split), f"writing {split}", total=total)):
        data: bytes = row["image"]["bytes"]
        path = folder / f"{number:06d}{_SUFFIXES[data[:2]]}"  # ids can hold what a file system refuses
        (out / path).write_bytes(data)
        question = templates[number % len(templates)].question(dataset.labels)
        yield row["image_id"], path, question, row["label"]


def _messages(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"<image>{question}"}, {"role": "assistant", "content": answer}]


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


FORMS: dict[str, Callable[[Dataset, Path], str]] = {
    "llava": _llava,
    "ms-swift": _ms_swift,
    "llama-factory": _llama_factory,
    "lmms-eval": _lmms_eval,
}
