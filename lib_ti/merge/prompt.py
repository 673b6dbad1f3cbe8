"""Expressions in the prompts of a picture: each becomes a placeholder that stands for its vectors, on the loaded model."""

from __future__ import annotations

from collections.abc import Mapping
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


def evaluate_prompts(
    request: ImageRequest, host: TextModel, embeddings: Mapping[str, Embedding], dictionary: Dictionary
) -> tuple[ImageRequest, Placed]:
    """The request with placeholders, and what they stand for: [V, D] by placeholder and encoder. Raises InvalidText.

    A result of more rows than a chunk of the prompt holds becomes several placeholders; one of no rows becomes nothing.
    """
    placed: Placed = {}

    def place(text: str) -> str:
        vectors = evaluate_expression(parse_expression(text), host, embeddings, dictionary)
        names = []
        for start in range(0, len(next(iter(vectors.values()))), CHUNK_ROWS):
            names.append(placeholder(text, str(start)))
            placed[names[-1]] = {key: matrix[start : start + CHUNK_ROWS] for key, matrix in vectors.items()}
        return " ".join(names)

    prompt, negative = rewrite_prompt(request.prompt, place), rewrite_prompt(request.negative, place)
    return replace(request, prompt=prompt, negative=negative), placed
