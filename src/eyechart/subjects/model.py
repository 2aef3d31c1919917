"""An open vision-language model as a subject: what it is shown, what enters its language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.subjects.capabilities import OPEN_MODEL
from eyechart.subjects.subject import Subject
from eyechart.subjects.trust import require_proof

if TYPE_CHECKING:
    import torch

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Prompt:
    """A rendered question: the exact string, its token ids with the image expanded, the image's positions."""

    text: str
    ids: tuple[int, ...]
    image_positions: tuple[int, ...]


class ModelSubject(Subject):
    """A model with its processor on one device.

    Args:
        name: what reports call it.
        model: a transformers image-text-to-text model.
        processor: its processor, with a chat template.
        compute: type of the matrix products, ``float32`` or ``bfloat16``.
    """

    capabilities = OPEN_MODEL

    def __init__(self, name: str, model: Any, processor: Any, compute: str = "float32") -> None:
        self.name = name
        self.compute = compute
        self._tokenised: dict[tuple[str, tuple[int, int]], list[int]] = {}
        self.model = model.eval()
        self.processor = processor

    @property
    def device(self) -> torch.device:
        """Return where the model lies."""
        return next(self.model.parameters()).device  # type: ignore[no-any-return]

    def precision(self) -> Any:
        """Return the context in which the model is trained and looked into.

        Weights stay in float32; matrix products run in bfloat16 where the hardware has them.
        """
        import torch

        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.compute == "bfloat16")

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Return the context in which the model is only asked: no gradients, weights as they are multiplied.

        Weights in float32 whose products run in bfloat16 are cast once, not in every pass, and put back bit
        for bit. Answers are as near to those in float32 as with a cast in every pass.
        """
        import torch

        whole = [(p, p.data) for p in self.model.parameters() if p.dtype == torch.float32]
        with torch.no_grad():
            try:
                for parameter, data in whole if self.compute == "bfloat16" else ():
                    parameter.data = data.bfloat16()
                yield
            finally:
                for parameter, data in whole:
                    parameter.data = data

    @property
    def language(self) -> Any:
        """Return the language model without its head."""
        return self.model.get_decoder()

    @property
    def projector(self) -> Any:
        """Return the module between vision encoder and language model."""
        from eyechart.subjects.components import projector_of

        return projector_of(self.model)

    def conversation(self, question: str, answer: str | None = None) -> str:
        """Return the exact string of a conversation on one image, before image positions are expanded."""
        turns: list[dict[str, Any]] = [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
        ]
        if answer is not None:
            turns.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        text: str = self.processor.apply_chat_template(turns, add_generation_prompt=answer is None)
        return text

    def prompt(self, question: str, image_size: tuple[int, int]) -> Prompt:
        """Return the prompt of a question for images of one size (height, width in px)."""
        return self.rendered(self.conversation(question), image_size)

    def rendered(self, text: str, image_size: tuple[int, int]) -> Prompt:
        """Return the prompt that an exact string (see :meth:`conversation`) is, for images of one size."""
        from eyechart.subjects.entering import image_token_id

        ids, image = self._ids(text, image_size), image_token_id(self.model)
        return Prompt(text, tuple(ids), tuple(i for i, token in enumerate(ids) if token == image))

    def answer_ids(self, question: str, answer: str, image_size: tuple[int, int]) -> tuple[int, ...]:
        """Return the tokens that follow the prompt when the answer is given, the end token included.

        Raises:
            EyechartError: the chat template changes the prompt once an answer follows, so that no token
                sequence is "the answer".
        """
        before = self._ids(self.conversation(question), image_size)
        whole = self._ids(self.conversation(question, answer), image_size)
        if whole[: len(before)] != before:
            raise EyechartError(
                f"the chat template of {self.name} renders the prompt differently once an answer follows",
                "use a chat template whose generation prompt is the beginning of the assistant's turn",
            )
        after = whole[len(before) :]
        ends = self.end_ids
        stop = next((i for i, token in enumerate(after) if token in ends), None)
        if stop is None:
            raise EyechartError(
                f"the chat template of {self.name} does not end the assistant's turn with an end token",
                f"expected one of {sorted(ends)} after {answer!r}",
            )
        return tuple(after[: stop + 1])

    @property
    def end_ids(self) -> set[int]:
        """Return the token ids that end an answer."""
        ends = self.model.generation_config.eos_token_id
        return set(ends) if isinstance(ends, list) else {ends}

    def _ids(self, text: str, image_size: tuple[int, int]) -> list[int]:
        """Return the tokens of a conversation on one image; kept, since it is asked for again and again."""
        if (text, image_size) not in self._tokenised:
            blank = np.zeros((*image_size, 3), np.uint8)
            self._tokenised[text, image_size] = self.inputs([blank], text)["input_ids"][0].tolist()
        return self._tokenised[text, image_size]

    def inputs(self, images: Sequence[Pixels], text: str) -> dict[str, torch.Tensor]:
        """Return what the model's processor makes of one conversation with each image, on its device.

        Args:
            images: n images, uint8 HWC RGB, of one size.
            text: the rendered conversation (see :meth:`conversation`).

        Returns:
            ``input_ids`` [n, length] and whatever else the family's forward pass takes.
        """
        seen = self.processor(
            text=[text] * len(images),
            images=[[image] for image in images],
            # A chat template that writes the beginning itself must not get a second one.
            add_special_tokens=not text.startswith(self.processor.tokenizer.bos_token or "\0"),
            return_tensors="pt",
        )
        dtype = self.model.dtype
        return {
            name: value.to(self.device, dtype if value.is_floating_point() else None)
            for name, value in seen.items()
        }

    def generate(self, images: Sequence[Pixels], question: str, *, new_tokens: int = 64) -> list[str]:
        """Return the greedy text in answer to a question on each image, of so many tokens at most."""
        from eyechart.exam.one import ask_one

        return ask_one(self, images, question, new_tokens=new_tokens)[0]

    def choose(self, images: Sequence[Pixels], question: str, answers: Sequence[str]) -> NDArray[np.float64]:
        """Return the log-likelihood of each whole answer with its end, float64 [n, answers]."""
        from eyechart.exam.one import ask_one

        return ask_one(self, images, question, answers)[1]

    def components(self) -> dict[str, dict[str, Any]]:
        """Return the parameters of each component; what is not proved is (:mod:`eyechart.subjects.trust`)."""
        from eyechart.subjects.components import components

        require_proof(self)
        return components(self.model)

    def visual_tokens(self, images: Sequence[Pixels], batch: int = 32) -> list[torch.Tensor]:
        """Return the projected visual tokens: what the language model receives at the image positions.

        Returns:
            For each image a tensor [tokens, width] in float32, on the CPU.
        """
        return self.stage(images, "projector output", batch=batch)

    def stage(
        self, images: Sequence[Pixels], name: str, *, question: str = "", batch: int = 32
    ) -> list[torch.Tensor]:
        """Return the states at one stage (see :mod:`eyechart.subjects.stages`).

        Args:
            images: uint8 HWC RGB, of any sizes.
            name: one of :func:`eyechart.subjects.stages.stage_names`.
            question: what is asked of each image; most language models see it after the image's positions.
            batch: images at a time.

        Returns:
            For each image a tensor [tokens, width] in float32, on the CPU.

        Raises:
            EyechartError: the model has no such stage, or its components are not proved.
        """
        import torch

        from eyechart.progress import track
        from eyechart.subjects.stages import stages

        require_proof(self)
        text, found = self.conversation(question), dict[int, torch.Tensor]()
        with torch.no_grad(), self.precision():
            for rows in track(by_size(images, batch), f"reading the {name}"):
                states = stages(self.model, self.inputs([images[i] for i in rows], text), [name])[name]
                found |= zip(rows, (one.float().cpu() for one in states), strict=True)
        return [found[i] for i in range(len(images))]

    def pixel_values(self, images: Sequence[Pixels]) -> torch.Tensor:
        """Return the images as the vision encoder receives them, [n, 3, height, width] in most families."""
        seen = self.processor.image_processor(images=list(images), return_tensors="pt")
        values: torch.Tensor = seen["pixel_values"]
        return values.to(self.device)

    def project(self, pixels: torch.Tensor) -> torch.Tensor:
        """Run vision encoder and projector, with gradient where it is on: [n, tokens, width].

        For families whose images are one array of pixels each (:func:`eyechart.tune.tokens.is_plain`).
        """
        import torch

        tokens: Any = self.model.get_image_features(pixel_values=pixels.to(self.model.dtype)).pooler_output
        whole: torch.Tensor = torch.stack(list(tokens)) if isinstance(tokens, (list, tuple)) else tokens
        return whole

    def embed(self, prompt: Prompt, tokens: torch.Tensor) -> torch.Tensor:
        """Return the language model's input for a prompt and n images' visual tokens, [n, length, width]."""
        import torch

        ids = torch.tensor(prompt.ids, device=self.device)
        table = self.model.get_input_embeddings()
        embedded: torch.Tensor = table(ids).expand(len(tokens), -1, -1).clone()
        embedded[:, list(prompt.image_positions)] = tokens.to(embedded.device, embedded.dtype)
        return embedded

    def modality(self, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what this model must be told beside a prompt's embeddings; nothing for most.

        A model with weights of its own for image positions (mPLUG-Owl2) cannot see from an embedding whether
        it stands at one.

        Args:
            ids: the prompt's tokens, [n, length].
        """
        if not getattr(self.model, "embeddings_need_types", False):
            return {}
        return {"mm_token_type_ids": (ids == self.model.config.image_token_id).long().to(self.device)}

    def word_ids(self, word: str) -> list[int]:
        """Return a word's tokens as it stands in a sentence, behind a blank.

        It is tokenised behind another word, since some tokenizers make a token of a blank that begins a text.
        """
        texts = [["the", f"the {word}"], ["", f" {word}"]]  # the latter for tokenizers that join the two
        for pair in texts:
            before, both = self.processor.tokenizer(pair, add_special_tokens=False)["input_ids"]
            if both[: len(before)] == before:
                break
        found: list[int] = both[len(before) :]
        return found

    def word_embedding(self, word: str) -> torch.Tensor:
        """Return t_c: the mean input embedding of a word's tokens in a sentence, [width] in float32."""
        weight: torch.Tensor = self.model.get_input_embeddings().weight
        return weight[self.word_ids(word)].detach().float().mean(0)


def by_size(images: Sequence[Pixels], batch: int) -> list[list[int]]:
    """Return the places of images in batches of one size, so that the prompts of a batch have one length."""
    sizes: dict[tuple[int, int], list[int]] = {}
    for i, image in enumerate(images):
        sizes.setdefault((image.shape[0], image.shape[1]), []).append(i)
    return [
        places[start : start + batch] for places in sizes.values() for start in range(0, len(places), batch)
    ]
