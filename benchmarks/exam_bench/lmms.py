"""The same questions by lmms-eval: its evaluator, its task files, its own wrapper of the subject's class."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exam_bench.material import Setting
from eyechart.subjects.model import Pixels

HOW = """\
To compare with lmms-eval as well, make an environment for it that sees this one's packages:

    python -m venv lmms
    lmms/bin/python -c "import site, pathlib; pathlib.Path(site.getsitepackages()[0], 'base.pth').write_text(
        'import site; site.addsitedir(\\"SITE-PACKAGES OF THIS ENVIRONMENT\\")')"
    lmms/bin/pip install --no-deps lmms_eval==0.7.3
    lmms/bin/pip install loguru evaluate sacrebleu pytablewriter tenacity jsonlines pytz
    python benchmarks/exam.py --lmms-python lmms/bin/python
"""
_UTILS = """\
def doc_to_visual(doc):
    return [doc["image"].convert("RGB")]


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    return lmms_eval_specific_kwargs["question"]


def process_results(doc, results):
    return {"accuracy": float(results[0].strip() == doc["label"])}
"""


def write_tasks(folder: Path, setting: Setting, images: Sequence[Pixels], new_tokens: int) -> None:
    """Write one task a wording, and the images as Parquet, in the form of ``dataset export --to lmms-eval``.

    Answers are compared with a label as they are: the time of Eyechart's parser is not lmms-eval's.
    """
    import datasets
    import yaml
    from PIL import Image

    folder.mkdir(parents=True)
    columns = {"image": [Image.fromarray(image) for image in images], "label": ["clean"] * len(images)}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    datasets.Dataset.from_dict(columns, features=features).to_parquet(str(folder / "test.parquet"))
    (folder / "utils.py").write_text(_UTILS, encoding="utf-8")
    for number, wording in enumerate(setting.wordings):
        task = {
            "task": f"eyechart_{number}",
            "tag": ["eyechart"],
            "dataset_path": "parquet",
            "dataset_kwargs": {"data_files": {"test": str(folder / "test.parquet")}},
            "test_split": "test",
            "output_type": "generate_until",
            "doc_to_target": "label",
            "generation_kwargs": {"max_new_tokens": new_tokens, "temperature": 0, "do_sample": False},
            "lmms_eval_specific_kwargs": {"default": {"question": wording}},
            "metric_list": [{"metric": "accuracy", "aggregation": "mean", "higher_is_better": True}],
            "metadata": [{"version": 1.0}],
        }
        text = yaml.safe_dump(task, sort_keys=False)
        for name in ("doc_to_visual", "doc_to_text", "process_results"):
            text += f"{name}: !function utils.{name}\n"
        (folder / f"eyechart_{number}.yaml").write_text(text, encoding="utf-8")


def run_lmms(
    python: Path, model: str, folder: Path, compute: str, threads: int, device: str
) -> dict[str, Any]:
    """Let lmms-eval answer the tasks of a folder, in a process of its own.

    Returns:
        seconds: ``generate`` of its ``generate_until`` alone, ``evaluate`` of its whole evaluation with the
            model loaded, ``process`` of all, with imports and loading; texts, [wordings][images]; version.
    """
    told = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": str(threads),
    }
    child = Path(__file__).with_name("lmms_child.py")
    command = [str(python), str(child), model, str(folder), compute, str(threads), device]
    done = subprocess.run(command, check=False, env=os.environ | told, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"lmms-eval failed:\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}\n{HOW}")
    found: dict[str, Any] = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    return found
