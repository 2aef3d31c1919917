"""How a subject is loaded: type of its weights, devices, quantisation, remote code."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from eyechart.errors import EyechartError

Dtype = Literal["float32", "bfloat16", "float16"]
Width = Literal["4bit", "8bit"]
_TAG = "{"  # in every template, and in hardly a file's name


@dataclass(frozen=True)
class LoadOptions:
    """What is handed to ``from_pretrained``. The help texts of the fields are those of the command line.

    A plain dataclass, since every command's ``--help`` reads it.
    """

    dtype: Dtype | None = field(
        default=None,
        metadata={
            "help": "Type of the weights and of the computing. Without it: weights in float32, matrix "
            "products in bfloat16 where the hardware has them."
        },
    )
    device_map: str | None = field(
        default=None,
        metadata={
            "help": "Where the parts lie: auto, cpu, cuda:1, ... Without it: the first GPU, or the CPU."
        },
    )
    quantize: Width | None = field(
        default=None,
        metadata={"help": "Load the weights quantised by bitsandbytes; they cannot be tuned then."},
    )
    attn_implementation: str | None = field(
        default=None,
        metadata={
            "help": "Attention: eager, sdpa, flash_attention_2, ... Without it: eager on a CPU, else "
            "transformers' choice."
        },
    )
    revision: str | None = field(default=None, metadata={"help": "Branch, tag or commit on the hub."})
    trust_remote_code: bool = field(
        default=False,
        metadata={"help": "Run Python code that lies in the model's repository. Read it before."},
    )
    chat_template: str | None = field(
        default=None,
        metadata={
            "help": "File with a Jinja chat template, for a model whose processor has none (BLIP-2). It is "
            "written into the run."
        },
    )
    assign: tuple[str, ...] | None = field(
        default=None,
        metadata={
            "help": "Count a group of parameters, or a module, to another component, e.g. merger=vision; may "
            "be given several times."
        },
    )

    def __post_init__(self) -> None:
        if self.chat_template is not None:
            object.__setattr__(self, "chat_template", _template(self.chat_template))
        told = [self.assign] if isinstance(self.assign, str) else self.assign
        object.__setattr__(self, "assign", tuple(told) if told else None)
        for one in self.assign or ():
            if not all(one.partition("=")):
                raise EyechartError(f"{one!r} assigns nothing", "write GROUP=COMPONENT, e.g. merger=vision")
        for name, value, known in (("dtype", self.dtype, Dtype), ("quantize", self.quantize, Width)):
            if value is not None and value not in get_args(known):
                raise EyechartError(f"{name} is {value!r}", f"one of {', '.join(get_args(known))}")

    def changed(self) -> dict[str, Any]:
        """Return the options that are not the default."""
        defaults = {one.name: one.default for one in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}

    def assigned(self) -> dict[str, str]:
        """Return groups or modules with the component that each counts to."""
        pairs = (one.partition("=") for one in self.assign or ())
        return {what: component for what, _, component in pairs}

    def source(self) -> dict[str, Any]:
        """Return the arguments that say what is read, for every ``from_pretrained`` of one subject."""
        return {"revision": self.revision or "main", "trust_remote_code": self.trust_remote_code}

    def refuse_tuning(self) -> None:
        """Raise an EyechartError if weights loaded so cannot be trained."""
        if self.quantize is not None:
            raise EyechartError(
                f"weights quantised to {self.quantize} cannot be tuned",
                "leave out --quantize; --dtype bfloat16 halves the memory of float32",
            )
        if self.dtype == "float16":  # gradients of a float16 model soon leave its range
            raise EyechartError("weights in float16 cannot be tuned", "--dtype bfloat16 has the range for it")


def _template(told: str) -> str:
    """Return a chat template's text: what was told if it is one, else what lies in the file of that name."""
    if _TAG in told:
        return told
    try:
        return Path(told).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EyechartError(
            f"the chat template {told} cannot be read: {error}",
            "name a text file that holds a Jinja template",
        ) from None
