"""Context regularisation: beside the embedding, the other words of a prompt are to say what they say beside the plain word for it.

The first half of CoRe (Wu et al. 2024, arXiv 2408.15914), its context embedding loss: 1 minus the mean cosine of the text encoder's
outputs at the places of a prompt's other words, of "[name] in the desert" beside "dog in the desert". No picture and no UNet is
needed. CLIP reads from left to right, so only the words after the embedding can change, and only they are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from lib_ti.chance import chance, shuffled
from lib_ti.config.train import TrainConfig
from lib_ti.create import initial_vectors
from lib_ti.errors import Fault, InvalidConfig
from lib_ti.host import Host

EACH = 4
"""Prompts an update."""
ROOM = 75
"""Tokens of a prompt that one pass of the text encoder reads."""
PROMPTS = (
    "[name] in the desert",
    "[name] on a beach at sunset",
    "[name] in the snow",
    "[name] in front of a red brick wall",
    "[name] beside a blue car",
    "[name] under a tree in autumn",
    "[name] on a wooden table",
    "[name] in a green field of flowers",
    "[name] in the rain at night",
    "[name] with mountains in the background",
    "[name] with a yellow hat",
    "[name] made of glass",
    "[name] with stripes",
    "[name] with dots",
    "[name] in black and white",
    "[name] as a watercolor painting",
    "a pencil drawing of [name] on old paper",
    "an oil painting of [name] by the sea",
    "a photo of [name] and a cat",
    "a photo of [name] next to a river in a forest",
)
"""Places, company, looks: what prompts ask for beside a thing."""


@dataclass(frozen=True)
class ContextPrompt:
    """`places` are the tokens after the embedding, in the text encoder's outputs [T, D]."""

    text: str
    places: range


def context_prompt(line: str, name: str, rows: int, tokenize: Callable[[str], Sequence[Any]]) -> ContextPrompt:
    """Of a line that holds [name] once, for an embedding of `rows` vectors."""
    before, after = line.split("[name]")
    first = 1 + len(tokenize(before)) + rows  # the start token comes first
    return ContextPrompt(line.replace("[name]", name), range(first, first + len(tokenize(after))))


def context_lines(text: str) -> list[str]:
    """Those of the setting, ours where it is empty. Raises InvalidConfig with every line that cannot be used."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    faults = []
    for line in lines:
        before, *after = line.split("[name]")
        if len(after) != 1 or not after[0].strip():
            hint = "write it so: [name] in the desert"
            faults.append(Fault("loss.context", f"{line!r} does not hold [name] once, with words after it", hint))
        elif set(before + after[0]) & set("()[]<>{}\\|"):
            faults.append(Fault("loss.context", f"{line!r} holds brackets", "write plain words"))
    if faults:
        raise InvalidConfig(faults)
    return lines or list(PROMPTS)


@dataclass(frozen=True)
class Context:
    """What embedding `name` of a run is compared with: `then`, [V, D] by encoder, vectors of the plain words in its place."""

    name: str
    prompts: Sequence[ContextPrompt]
    then: Mapping[str, torch.Tensor]
    weight: float
    seed: int

    def draw(self, step: int) -> list[ContextPrompt]:
        """Those of the update after `step` updates."""
        return shuffled(self.prompts, chance("context", self.seed, step))[:EACH]


def find_context(host: Host, config: TrainConfig, rows: int, seed: int) -> Context | None:
    """None where it is off. Raises InvalidConfig where the prompts or the word to compare with cannot be used."""
    loss, name, word = config.loss, config.embedding.name, config.data.class_word or config.embedding.init
    if not loss.context_weight:
        return None
    where = "data.class_word" if config.data.class_word else "embedding.init"
    prompts = [context_prompt(line, name, rows, host.tokenize) for line in context_lines(loss.context)]
    fitting = [prompt for prompt in prompts if prompt.places.stop <= 1 + ROOM]
    if not fitting:
        message = f"{rows} vectors leave no room for other words in a prompt of {ROOM} tokens"
        raise InvalidConfig([Fault("loss.context_weight", message, "take fewer vectors, or set it to 0")])
    return Context(name, fitting, initial_vectors(host, word, rows, where), loss.context_weight, seed)


def unlikeness(
    now: Mapping[str, torch.Tensor], then: Mapping[str, torch.Tensor], prompts: Sequence[ContextPrompt]
) -> torch.Tensor | None:
    """1 minus the mean cosine of two conditionings of the same B prompts at the places of their other words: 0 .. 2, a scalar.

    None where the conditioning has no place for each token.
    """
    found = []
    for key, tensor in now.items():
        if tensor.dim() == 3 and tensor.shape[1] >= max(prompt.places.stop for prompt in prompts):
            for row, prompt in enumerate(prompts):
                places = slice(prompt.places.start, prompt.places.stop)
                pair = tensor[row, places].float(), then[key][row, places].float()
                found.append(F.cosine_similarity(*pair, dim=-1).mean())
    return 1 - torch.stack(found).mean() if found else None
