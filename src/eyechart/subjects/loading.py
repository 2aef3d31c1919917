"""Load a subject by name; what cannot be one is refused with the reason, before any weight is read."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from eyechart.errors import EyechartError
from eyechart.subjects.components import assign_groups
from eyechart.subjects.hub import read_config
from eyechart.subjects.memory import refuse_too_large
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.options import LoadOptions
from eyechart.subjects.quick import keep_memory, keep_together
from eyechart.subjects.refusals import (
    explain,
    refuse_incomplete_processor,
    refuse_missing_weights,
    refuse_wrong_class,
    refuse_wrong_template,
)

_DEFAULT = LoadOptions()


def load_subject(name: str, options: LoadOptions = _DEFAULT) -> ModelSubject:
    """Load a subject by name: ``nano``, a preset, a folder, or an id on the model hub.

    Args:
        name: the subject; see :func:`eyechart.subjects.names.resolve`.
        options: type of the weights, devices, quantisation and the like.

    Raises:
        EyechartError: no such subject (the nearest names are suggested), it lacks something that a subject
            needs, or it does not fit into memory.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # one folder loads in a second; the exam has progress bars of its own
    folder, shown = subject_folder(name), Path(name).name if Path(name).exists() else name
    refuse_too_large(shown, skeleton(name, options), options)
    try:
        processor = AutoProcessor.from_pretrained(folder, **options.source())
        processor.chat_template = options.chat_template or getattr(processor, "chat_template", None)
        refuse_incomplete_processor(shown, processor)
        model, told = AutoModelForImageTextToText.from_pretrained(
            folder, output_loading_info=True, **options.source(), **placing(options)
        )
    except EyechartError:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own
        raise explain(name, error) from error
    refuse_missing_weights(shown, told["missing_keys"])
    assign_groups(model, options.assigned())
    keep_memory()
    keep_together(model)
    subject = ModelSubject(shown, model, processor, compute=compute_type(options))
    if options.chat_template is not None:
        refuse_wrong_template(subject)
    return subject


def skeleton(name: str, options: LoadOptions = _DEFAULT) -> Any:
    """Return a subject's model on the meta device: its shapes, without weights.

    Only its configuration is read.

    Raises:
        EyechartError: there is no such subject, or it is no vision-language model.
    """
    import torch
    from transformers import AutoModelForImageTextToText

    config = read_config(name, subject_folder(name), options)
    refuse_wrong_class(name, config)
    attention = {"attn_implementation": options.attn_implementation} if options.attn_implementation else {}
    try:
        with torch.device("meta"):
            model = AutoModelForImageTextToText.from_config(
                config, trust_remote_code=options.trust_remote_code, **attention
            )
        assign_groups(model, options.assigned())
        return model
    except EyechartError:
        raise
    except Exception as error:
        raise explain(name, error) from error


def subject_folder(name: str) -> str:
    """Return what ``from_pretrained`` is given: a folder or an id on the hub."""
    from eyechart.subjects.names import resolve
    from eyechart.subjects.nano.build import nano_folder

    return str(nano_folder()) if name == "nano" else resolve(name)


def native_precision() -> str:
    """Return bfloat16 where this hardware multiplies in it natively, else float32."""
    import torch

    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.cpu._is_avx512_bf16_supported() else "float32"


def compute_type(options: LoadOptions) -> str:
    """Return the type of the matrix products; weights of a chosen type compute in that type."""
    return native_precision() if options.dtype is None and options.quantize is None else "float32"


def placing(options: LoadOptions) -> dict[str, Any]:
    """Return the arguments of ``from_pretrained`` that say how and where the weights lie."""
    import torch

    # What stays unquantised lies in 16 bits; 8-bit matrices are multiplied in float16 alone.
    default = {None: "float32", "4bit": "bfloat16", "8bit": "float16"}[options.quantize]
    found: dict[str, Any] = {
        "dtype": getattr(torch, options.dtype or default),
        "device_map": options.device_map or _first_device(),
        "attn_implementation": options.attn_implementation or _attention(),
    }
    if options.quantize is not None:
        found["quantization_config"] = _quantization(options.quantize, found["dtype"])
    return found


def _first_device() -> str | None:
    """Return the GPU of this process (each of several has its own), or None for the CPU."""
    import torch

    return f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else None


def _attention() -> str | None:
    """Return eager for a CPU, where torch's own depends on the process in its last digits; else no choice.

    On a CPU the backward pass of eager attention is the faster, too.
    """
    import torch

    return None if torch.cuda.is_available() else "eager"


def _quantization(bits: str, dtype: Any) -> Any:
    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise EyechartError(
            f"--quantize {bits} needs bitsandbytes, which is not installed", "pip install bitsandbytes"
        )
    if bits == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
