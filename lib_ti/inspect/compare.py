"""Two embeddings side by side, one on two models, or one beside a text: how far the model's reading of a prompt changes when
one stands for the other."""

from __future__ import annotations

import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding, InvalidText
from lib_ti.expression.prompt import placeholder
from lib_ti.host import Host, PictureSize, SessionRequest, TextModel
from lib_ti.inspect.facts import OnTwoModels, RowPair, Sameness
from lib_ti.inspect.table import measure


def compare_embeddings(first: Embedding, second: Embedding) -> dict[str, list[RowPair]]:
    """By encoder, as many rows as both have. Raises InvalidEmbedding where they are for different models' widths."""
    if first.widths != second.widths:
        one, other = (", ".join(f"{name} {width}" for name, width in e.widths.items()) for e in (first, second))
        raise InvalidEmbedding(
            f"{first.name!r} is for {one}, {second.name!r} for {other}.", "Compare embeddings of one family."
        )
    return {encoder: _pairs(matrix, second.vectors[encoder]) for encoder, matrix in first.vectors.items()}


def compare_models(
    embedding: Embedding, first: TextModel, second: TextModel, nearest: int = 5
) -> dict[str, OnTwoModels]:
    """By encoder. Raises InvalidEmbedding where the embedding does not fit one of them."""
    sides = [(host, embedding.fit_to(host.model())) for host in (first, second)]
    if sides[0][1].widths != sides[1][1].widths:
        raise InvalidEmbedding(
            f"{embedding.name!r} fits two models whose encoders differ.", "Compare models of one family."
        )
    tables = [measure(fitted.vectors, [], host, nearest) for host, fitted in sides]
    return {
        one.encoder: OnTwoModels(_likeness(first, second, one.encoder), (one, other))
        for one, other in zip(*tables, strict=True)
    }


def _pairs(first: torch.Tensor, second: torch.Tensor) -> list[RowPair]:
    pairs = []
    for a, b in zip(first.double(), second.double(), strict=False):
        lengths = a.norm().item(), b.norm().item()
        cosine = (a @ b).item() / (lengths[0] * lengths[1]) if all(lengths) else None
        pairs.append(RowPair(cosine, (a - b).norm().item(), lengths))
    return pairs


def _likeness(first: TextModel, second: TextModel, encoder: str) -> float:
    a, b = first.all_token_vectors(encoder), second.all_token_vectors(encoder)
    rows = min(len(a), len(b))
    return torch.nn.functional.cosine_similarity(a[:rows], b[:rows], dim=1).mean().item()


NAME = "[name]"


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
        seen, wanted = session.placeholder_rows(prompts[0])[word], fitted.rows * prompt.count(NAME)
        if seen < wanted:
            raise InvalidText(
                f"The model sees {seen} of the embedding's {wanted} vectors.",
                prompt,
                0,
                len(prompt),
                "Shorten the prompt.",
            )
        conditioning = session.encode_prompts(prompts, {word: fitted.vectors}, sizes)
        tensors = {key: tensor.detach().float().cpu() for key, tensor in conditioning.tensors.items()}
    return Sameness(
        {key: (tensor[0] - tensor[1]).abs().max().item() for key, tensor in tensors.items()},
        {key: tensor.abs().max().item() for key, tensor in tensors.items()},
    )
