"""Convert the fetched files to ordinary Hugging Face models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

WIDTH = 384  # of DINOv2-small
PATCHES = 37 * 37  # position embeddings at 518 px


def read_dinov2(path: Path) -> dict[str, torch.Tensor]:
    """Return the DINOv2-small weights of an ONNX export under the hub's names (fp32).

    The exporter kept the names of biases, norms and scales but folded the weights of linear layers into
    anonymous transposed constants, which are found through the name of the MatMul node that uses them. The
    position embeddings were split into the part of the class token and the part of the patches.
    """
    import onnx
    import torch
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    weights: dict[str, Any] = {
        name.removeprefix("backbone."): value
        for name, value in constants.items()
        if name.startswith("backbone.")
    }
    for node in graph.node:
        if node.op_type == "MatMul" and node.name.startswith("/backbone/") and node.input[1] in constants:
            name = node.name.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
            weights[f"{name}.weight"] = constants[node.input[1]].T
    (cls_position,) = (v for n, v in constants.items() if n.startswith("onnx::Concat_"))
    (patch_positions,) = (v for n, v in constants.items() if v.shape == (1, PATCHES, WIDTH))
    tensors = {name: torch.from_numpy(value.copy()).contiguous() for name, value in weights.items()}
    tensors["embeddings.position_embeddings"] = torch.cat(
        [torch.from_numpy(cls_position.copy()), torch.from_numpy(patch_positions.copy())], dim=1
    )
    tensors["embeddings.mask_token"] = torch.zeros(1, WIDTH)
    return tensors


def as_internvl_vision(dinov2: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return DINOv2 weights under the names of ``InternVLVisionModel``, which computes the same function.

    Both are pre-norm vision transformers with layer scale, biased attention and interpolated position
    embeddings; only the names differ. The mask token, used in pretraining alone, is dropped.
    """
    renamed = {}
    for name, tensor in dinov2.items():
        for old, new in _INTERNVL_NAMES:
            name = name.replace(old, new)
        renamed[name] = tensor
    del renamed["embeddings.mask_token"]
    return renamed


_INTERNVL_NAMES = (
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.projection_layer"),
    ("norm1", "layernorm_before"),
    ("norm2", "layernorm_after"),
    ("layer_scale1.lambda1", "lambda_1"),
    ("layer_scale2.lambda1", "lambda_2"),
)


def load_smollm2(path: Path) -> tuple[Any, Any]:
    """Return SmolLM2-135M-Instruct (fp32, dequantised) and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    # The weights are plain numbers from here on; transformers would refuse to save a "quantised" model.
    del model.hf_quantizer
    del model.config.quantization_config
    return model, tokenizer
