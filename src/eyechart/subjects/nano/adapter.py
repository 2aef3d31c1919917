"""What the alignment learned: the projector's weights and a LoRA adapter of the language model, in bf16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LORA: dict[str, Any] = {
    "r": 8,
    "lora_alpha": 16,
    "target_modules": r".*language_model\.layers\..*\.(q|k|v|o|gate|up|down)_proj",
}
FILE = "adapter.safetensors"


def save_adapter(model: Any, folder: Path) -> None:
    """Save the projector and the LoRA weights of a model that carries an adapter (bf16)."""
    import torch
    from safetensors.torch import save_file

    kept = {
        name.replace(".default.", "."): tensor.to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        if "lora_" in name or "multi_modal_projector" in name
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(kept, folder / FILE)


def merge_adapter(model: Any, folder: Path) -> None:
    """Put the projector in place and add the adapter to the language model's weights, in place."""
    from safetensors.torch import load_file

    kept = {name: tensor.float() for name, tensor in load_file(folder / FILE).items()}
    projector = {n.rsplit("multi_modal_projector.", 1)[1]: t for n, t in kept.items() if "projector" in n}
    model.model.multi_modal_projector.load_state_dict(projector)
    scale = LORA["lora_alpha"] / LORA["r"]
    for name, down in kept.items():
        if ".lora_A." in name:
            up = kept[name.replace(".lora_A.", ".lora_B.")]
            module = model.get_submodule(name.split(".lora_A.")[0])
            module.weight.data += scale * (up @ down)
