"""Expressions in the prompts of a picture: each becomes a placeholder that stands for its vectors, on the loaded model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.expression.dictionary import Dictionary
from lib_ti.expression.limits import CHUNK_ROWS
from lib_ti.expression.parser import parse_expression
from lib_ti.expression.prompt import placeholder, rewrite_prompt
from lib_ti.host import ImageRequest, TextModel
from lib_ti.merge.evaluate import evaluate_expression

Placed = dict[str, dict[str, torch.Tensor]]


def place_expressions(
    prompts: Sequence[str], host: TextModel, embeddings: Mapping[str, Embedding], dictionary: Dictionary
) -> tuple[list[str], Placed]:
    """The prompts with placeholders, and what these stand for: [V, D] by placeholder and encoder. Raises InvalidText.

    A result of more rows than a chunk of the prompt holds becomes several placeholders; one of no rows becomes nothing. A
    placeholder is named after its numbers, so that a host which keeps encoded prompts by their text never confuses them.
    """
    placed: Placed = {}

    def place(text: str) -> str:
        vectors = evaluate_expression(parse_expression(text), host, embeddings, dictionary)
        names = []
        for start in range(0, len(next(iter(vectors.values()))), CHUNK_ROWS):
            rows = {key: matrix[start : start + CHUNK_ROWS] for key, matrix in vectors.items()}
            names.append(placeholder(_digest(rows)))
            placed[names[-1]] = rows
        return " ".join(names)

    return [rewrite_prompt(prompt, place) for prompt in prompts], placed


def evaluate_prompts(
    request: ImageRequest, host: TextModel, embeddings: Mapping[str, Embedding], dictionary: Dictionary
) -> tuple[ImageRequest, Placed]:
    """The request with placeholders, and what these stand for. Raises InvalidText."""
    texts = [request.prompt, request.negative]
    (prompt, negative), placed = place_expressions(texts, host, embeddings, dictionary)
    return replace(request, prompt=prompt, negative=negative), placed


def _digest(vectors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for encoder, matrix in vectors.items():
        digest.update(f"{encoder} {tuple(matrix.shape)} ".encode())
        digest.update(matrix.contiguous().numpy().tobytes())
    return digest.hexdigest()
