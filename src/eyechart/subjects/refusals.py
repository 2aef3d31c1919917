"""Why a model cannot be a subject, in words: what transformers and the hub raise, and what is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from eyechart.errors import EyechartError
from eyechart.subjects.capabilities import ZERO_SHOT_MARK

if TYPE_CHECKING:
    from eyechart.subjects.model import ModelSubject

_MODELS = "name a vision-language model: one of eyechart subjects list, a folder, or an id on the hub"
_TEMPLATE = (
    "each message has a role and a content, which is a list of parts with a type: {% for part in "
    "message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
)
DEVICE = "name a device that is here with --device-map (cpu, cuda:0, auto), or leave it out"
_ATTENTION = "--attn-implementation eager works with every model; left out, the choice is made for you"
_NEEDS = re.compile(r"requires the (\w+) library but it was not found", re.IGNORECASE)
_UNREACHED = (
    "the hub cannot be reached, and the model is not in the cache",
    "check the network, or name a folder",
)
# What an error's text tells of an option of loading; transformers' own words say what is wrong.
_OPTIONS = (
    (("device_map", "not compiled with cuda", "no nvidia driver"), DEVICE),
    (("attn_implementation", "flashattention", "flash_attention", "sdpa"), _ATTENTION),
)
# What an error's text tells, and the remedy; the first that is found counts.
_REASONS = (
    (
        "gated repo",
        "its repository is gated",
        "accept its terms on the hub, then log in (hf auth login) or set HF_TOKEN",
    ),
    (
        "trust_remote_code",
        "it needs Python code that lies in its repository",
        "read that code, then say --trust-remote-code; or name a model that transformers has a class for",
    ),
    (
        "does not recognize this architecture",
        "this version of transformers does not know its model_type",
        "update transformers, or name another model",
    ),
    ("is not a valid git identifier", "it has no such --revision", "name a branch, tag or commit of it"),
    (
        "is not a local folder and is not a valid model identifier",
        "the hub has no such model",
        "check the name; for a private model log in first (hf auth login)",
    ),
    ("couldn't connect to", *_UNREACHED),
    (
        "can't load image processor",
        "it has no image processor",
        "save its processor beside the weights (processor.save_pretrained)",
    ),
    (
        "backend tokenizer",
        "it has no tokenizer",
        "save its processor beside the weights (processor.save_pretrained)",
    ),
)


def explain(name: str, error: Exception) -> EyechartError:
    """Return an error of transformers or the hub in words.

    Args:
        name: the subject, as the user named it.
        error: what was raised while its configuration, processor or weights were read.
    """
    text = str(error)
    if found := _NEEDS.search(text):
        library = found[1].lower()
        return EyechartError(
            f"cannot load the subject {name}: it needs {library}, which is not installed",
            f"pip install {library}",
        )
    for told, why, remedy in _REASONS:
        if told in text.lower():
            return EyechartError(f"cannot load the subject {name}: {why}", remedy)
    for signs, remedy in _OPTIONS:
        if any(sign in text.lower() for sign in signs):
            return EyechartError(f"cannot load the subject {name}: {_first(text, error)}", remedy)
    return EyechartError(f"cannot load the subject {name}: {_first(text, error)}", _MODELS)


def unreachable(name: str) -> EyechartError:
    """Return the refusal of a model on the hub while the hub does not answer."""
    return EyechartError(f"cannot load the subject {name}: {_UNREACHED[0]}", _UNREACHED[1])


def _first(text: str, error: Exception) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)


def refuse_wrong_class(name: str, config: Any) -> None:
    """Raise an EyechartError unless a configuration is that of an image-text-to-text model."""
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
    from transformers import AutoModelForZeroShotImageClassification as Contrastive

    kind, remote = type(config), getattr(config, "auto_map", None) or {}
    if kind in AutoModelForImageTextToText._model_mapping or AutoModelForImageTextToText.__name__ in remote:
        _refuse_encoder_decoder(name, config)
        return
    if kind in Contrastive._model_mapping:
        raise EyechartError(
            f"{name} compares pictures with texts ({config.model_type}); it cannot be asked a question",
            f"examine it zero-shot: eyechart exam clip:{name} ...",
        )
    seeing = kind not in AutoModelForCausalLM._model_mapping
    what = "no image-text-to-text model" if seeing else "a language model without a vision encoder"
    raise EyechartError(f"{name} is {what} ({config.model_type})", _MODELS)


def refuse_no_contrast(name: str, config: Any) -> None:
    """Raise an EyechartError unless a configuration is that of a model that compares pictures with texts."""
    from transformers import AutoModelForZeroShotImageClassification as Contrastive

    if type(config) not in Contrastive._model_mapping:
        raise EyechartError(
            f"{name} does not compare pictures with texts ({config.model_type})",
            f"name it without {ZERO_SHOT_MARK}, or name a CLIP or SigLIP model",
        )


def _refuse_encoder_decoder(name: str, config: Any) -> None:
    text = getattr(config, "text_config", config)
    if getattr(text, "is_encoder_decoder", False):
        raise EyechartError(
            f"{name} reads with an encoder and writes with a decoder ({text.model_type}), so that no prompt "
            "can be followed by an answer",
            "name a model with a decoder alone, or serve it and examine the endpoint: eyechart exam "
            "http://localhost:8000/v1#MODEL",
        )


def refuse_incomplete_processor(name: str, processor: Any) -> None:
    """Raise an EyechartError unless a processor has what an exam needs."""
    for part, remedy in (
        ("image_processor", "save its image processor beside the weights (processor.save_pretrained)"),
        ("tokenizer", "save its tokenizer beside the weights (processor.save_pretrained)"),
        (
            "chat_template",
            "give one with --chat-template FILE, a Jinja file; see the model's card for its prompt",
        ),
    ):
        if getattr(processor, part, None) is None:
            what = part.replace("_", " ")
            raise EyechartError(f"cannot load the subject {name}: it has no {what}", remedy)


def refuse_wrong_template(subject: ModelSubject) -> None:
    """Raise an EyechartError unless a subject's chat template renders a question and its answer."""
    from jinja2 import TemplateError

    question, answer = "What is this?", "blur"
    try:
        asked, answered = subject.conversation(question), subject.conversation(question, answer)
    except TemplateError as error:
        raise EyechartError(f"the chat template is no Jinja template: {error}", _TEMPLATE) from error
    if asked.count(question) != 1 or answered.count(answer) != 1 or "'type'" in answered:
        raise EyechartError(
            f"the chat template does not write the texts of a question and an answer: it writes {answered!r}",
            _TEMPLATE,
        )


def refuse_missing_weights(name: str, missing: set[str]) -> None:
    """Raise an EyechartError if the checkpoint lacks parameters, which would be random numbers."""
    if missing:
        few = ", ".join(sorted(missing)[:3]) + (", ..." if len(missing) > 3 else "")
        raise EyechartError(
            f"the weights of {name} are incomplete: {len(missing)} tensors are missing ({few})",
            "they would be random numbers; take a complete checkpoint",
        )
