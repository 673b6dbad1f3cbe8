"""Is an embedding the same as a text? The model answers: how far its reading of a prompt changes when one stands for the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidText
from lib_ti.expression.prompt import placeholder
from lib_ti.host import Host, PictureSize, SessionRequest

NAME = "[name]"
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Sameness:
    """`largest` is the largest difference between numbers of the conditioning, by the host's own keys; `scale` the largest
    number itself, to measure it by."""

    largest: Mapping[str, float]
    scale: Mapping[str, float]

    @property
    def same(self) -> bool:
        """To within what half precision rounds."""
        return all(self.largest[key] <= _ROUNDING * self.scale[key] for key in self.largest)


def compare_with_text(host: Host, embedding: Embedding, text: str, prompt: str = NAME) -> Sameness:
    """`prompt` has `[name]` where first the embedding and then `text` is put. Raises InvalidText, InvalidEmbedding."""
    if NAME not in prompt:
        raise InvalidText(
            f"The prompt has no {NAME}.", prompt, 0, len(prompt), f"Write {NAME} for the embedding and the text."
        )
    model = host.model()
    fitted = embedding.fit_to(model)
    word = placeholder(embedding.name)  # its own name may be a word, or another embedding's
    prompts = [prompt.replace(NAME, word), prompt.replace(NAME, text)]
    side = model.native_size
    sizes = [PictureSize(side, side, 0, 0, side, side)] * 2
    with host.training_session(SessionRequest(word, fitted.rows)) as session, torch.no_grad():
        seen, wanted = session.placeholder_rows(prompts[0]), fitted.rows * prompt.count(NAME)
        if seen < wanted:
            raise InvalidText(
                f"The model sees {seen} of the embedding's {wanted} vectors.",
                prompt,
                0,
                len(prompt),
                "Shorten the prompt.",
            )
        conditioning = session.encode_prompts(prompts, fitted.vectors, sizes)
        tensors = {key: tensor.detach().float().cpu() for key, tensor in conditioning.tensors.items()}
    return Sameness(
        {key: (tensor[0] - tensor[1]).abs().max().item() for key, tensor in tensors.items()},
        {key: tensor.abs().max().item() for key, tensor in tensors.items()},
    )
