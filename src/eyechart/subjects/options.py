"""How a subject is loaded: type of its weights, devices, quantisation, remote code."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from eyechart.errors import EyechartError


class LoadOptions(BaseModel):
    """What is handed to ``from_pretrained``; an unknown key is an error.

    The descriptions of the fields are the help texts of the command line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Literal["float32", "bfloat16", "float16"] | None = Field(
        None,
        description="Type of the weights, and of the computing. Without it: weights in float32, matrix "
        "products in bfloat16 where the hardware has them.",
    )
    device_map: str | None = Field(
        None, description="Where the parts lie: auto, cpu, cuda:1, ... Without it: the first GPU, or the CPU."
    )
    quantize: Literal["4bit", "8bit"] | None = Field(
        None, description="Load the weights quantised by bitsandbytes; they cannot be tuned then."
    )
    attn_implementation: str = Field(
        # At the lengths of an exam its backward pass is the fastest on a CPU.
        "eager",
        description="Attention: eager, sdpa, flash_attention_2, ...",
    )
    revision: str | None = Field(None, description="Branch, tag or commit on the hub.")
    trust_remote_code: bool = Field(
        False, description="Run Python code that lies in the model's repository. Read it before."
    )

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
