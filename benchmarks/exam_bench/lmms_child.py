"""Run by the interpreter that has lmms-eval: python lmms_child.py MODEL FOLDER COMPUTE THREADS DEVICE.

The model is lmms-eval's own ``internvl_hf``. It loads weights in bfloat16 and asks one question at a time; it
allows no larger batch. For float32 its weights are widened after loading.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path


def main() -> None:
    """Evaluate, and write what it took beside the tasks."""
    begun = time.perf_counter()
    import torch
    from lmms_eval.evaluator import simple_evaluate  # type: ignore[import-not-found]
    from lmms_eval.models import get_model  # type: ignore[import-not-found]
    from lmms_eval.tasks import TaskManager  # type: ignore[import-not-found]

    model, folder, compute, threads, device = sys.argv[1:]
    torch.set_num_threads(int(threads))
    subject = get_model("internvl_hf")(pretrained=model, device=device, device_map=device)
    if compute == "float32":
        subject._model = subject._model.float()
    seconds = {}
    answer = subject.generate_until

    def timed(requests):  # type: ignore[no-untyped-def]
        start = time.perf_counter()
        found = answer(requests)
        seconds["generate"] = time.perf_counter() - start
        return found

    subject.generate_until = timed
    manager = TaskManager("WARNING", include_path=folder, include_defaults=False)
    start = time.perf_counter()
    found = simple_evaluate(model=subject, tasks=["eyechart"], task_manager=manager, batch_size=1)
    seconds["evaluate"] = time.perf_counter() - start
    seconds["process"] = time.perf_counter() - begun
    texts = [
        [sample["filtered_resps"][0] for sample in sorted(samples, key=lambda sample: sample["doc_id"])]
        for _, samples in sorted(found["samples"].items())
    ]
    told = {"seconds": seconds, "texts": texts, "version": version("lmms_eval")}
    Path(folder, "found.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
