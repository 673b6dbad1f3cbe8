"""Expressions to vectors, for every encoder of the loaded model at once: one by itself, or those in the prompts of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch

from lib_ti.embedding.digest import digest_token_tables, digest_vectors
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import HostError, InvalidText
from lib_ti.expression.evaluate import Dictionary, Piece, Rows, evaluate
from lib_ti.expression.limits import CHUNK_ROWS
from lib_ti.expression.nodes import Crop, Expression, Text, chain_of
from lib_ti.expression.parser import parse_expression
from lib_ti.expression.prompt import placeholder, rewrite_prompt
from lib_ti.host import ImageRequest, TextModel

Vectors = dict[str, torch.Tensor]
"""[V, D] float32 on the CPU by encoder; V is equal over encoders and may be 0."""


class Matrices:
    """The algebra of vectors. Values are never changed in place.

    `embeddings` may load a file at every look-up: each is fetched once, when an expression first names it.
    """

    def __init__(self, host: TextModel, embeddings: Mapping[str, Embedding]) -> None:
        self._host, self._embeddings, self._model = host, embeddings, host.model()
        self._fetched: dict[str, Embedding] = {}
        self.encoders = [encoder.name for encoder in self._model.encoders]

    def embedding(self, name: str) -> Embedding:
        """As the model takes it. Raises InvalidEmbedding where its file is no good or for another family, HostError where it is gone."""
        if name not in self._fetched:
            try:
                found = self._embeddings[name]
            except KeyError:
                raise HostError(f"The embedding {name!r} is listed and yet gone.", "Refresh the embeddings.") from None
            self._fetched[name] = found.fit_to(self._model)
        return self._fetched[name]

    @property
    def used(self) -> dict[str, str]:
        """The digests of the embeddings that have been fetched, by name."""
        return {name: self._fetched[name].digest for name in sorted(self._fetched)}

    def rows(self, value: Vectors) -> int:
        return len(value[self.encoders[0]])

    def pieces(self, pieces: Sequence[Piece]) -> Vectors:
        value = {}
        for encoder in self._model.encoders:
            ids = [encoder.padding_id if piece is None else piece for piece in pieces if not isinstance(piece, str)]
            tokens = iter(self._host.token_vectors(ids, encoder.name).float() if ids else ())
            parts = [
                self.embedding(piece).vectors[encoder.name] if isinstance(piece, str) else next(tokens)[None]
                for piece in pieces
            ]
            value[encoder.name] = torch.cat([torch.zeros(0, encoder.width), *parts])
        return value

    def resize(self, value: Vectors, rows: int) -> Vectors:
        return {key: torch.cat([v[:rows], v.new_zeros(max(0, rows - len(v)), v.shape[1])]) for key, v in value.items()}

    def join(self, first: Vectors, second: Vectors) -> Vectors:
        return {key: torch.cat([first[key], second[key]]) for key in first}

    def add(self, first: Vectors, second: Vectors) -> Vectors:
        return {key: first[key] + second[key] for key in first}

    def scale(self, value: Vectors, operator: Literal["*", "/"], number: float, encoder: str | None) -> Vectors:
        def scaled(v: torch.Tensor) -> torch.Tensor:
            return v * number if operator == "*" else v / number

        return {key: scaled(v) if encoder in (None, key) else v for key, v in value.items()}

    def roll(self, value: Vectors, by: int) -> Vectors:
        return {key: v.roll(by, 0) for key, v in value.items()}

    def keep(self, value: Vectors, encoder: str) -> Vectors:
        return {key: v if key == encoder else torch.zeros_like(v) for key, v in value.items()}


def evaluate_expression(
    expression: Expression, host: TextModel, embeddings: Mapping[str, Embedding], dictionary: Dictionary | None = None
) -> Vectors:
    """`dictionary` spares reading the names of all `embeddings` again. Raises InvalidText."""
    return _evaluate(expression, Matrices(host, embeddings), dictionary or Dictionary(host.tokenize, embeddings))


def build_embedding(
    expression: Expression,
    name: str,
    host: TextModel,
    embeddings: Mapping[str, Embedding],
    dictionary: Dictionary | None = None,
) -> Embedding:
    """The result as an embedding that knows its recipe. It may have more rows than a prompt takes: see `edits.fit_to_chunk`.

    Raises InvalidText, also where the result has no rows.
    """
    algebra = Matrices(host, embeddings)
    vectors = _evaluate(expression, algebra, dictionary or Dictionary(host.tokenize, embeddings))
    if algebra.rows(vectors) == 0:
        span = 0, len(expression.text)
        raise InvalidText("The result has no rows.", expression.text, *span, "An embedding needs at least one.")
    model = host.model()
    recipe: dict[str, Any] = {"source": "expression", "expression": expression.text}
    if algebra.used:
        recipe["embeddings"] = algebra.used
    return Embedding(
        name,
        vectors,
        family=model.family,
        model_name=model.name,
        model_hash=model.short_hash,
        recipe=recipe,
        token_tables=digest_token_tables(host),
    )


def _evaluate(expression: Expression, algebra: Matrices, dictionary: Dictionary) -> Vectors:
    # Counting first: what cannot be used or is too much is told before any arithmetic.
    evaluate(expression, Rows(lambda name: algebra.embedding(name).rows, algebra.encoders), dictionary)
    with torch.no_grad():
        vectors = evaluate(expression, algebra, dictionary)
    for encoder, matrix in vectors.items():
        if not matrix.isfinite().all():
            message = f"The numbers grow too large in {encoder}."
            raise InvalidText(message, expression.text, 0, len(expression.text), "Use smaller factors.")
    return vectors


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
            names.append(placeholder(digest_vectors(rows)))
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


def clip_g_of(text: str, rows: int, host: TextModel, embeddings: Mapping[str, Embedding]) -> torch.Tensor:
    """[rows, D]: the expression `'text':rows` in clip_g, cut off or filled up with zeros. Raises HostError without SDXL."""
    model = host.model()
    if model.family != "sdxl":
        raise HostError(
            f"The model {model.name!r} has no clip_g to read {text!r} with.",
            "Load an SDXL checkpoint, or leave the text out.",
        )
    expression = Expression(chain_of(Text(text), (Crop(rows),)), text)
    return evaluate_expression(expression, host, embeddings)["clip_g"]
