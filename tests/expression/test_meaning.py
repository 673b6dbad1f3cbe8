"""A user would lose: what an expression means. Thousands drawn by the grammar are evaluated by the product and by a second
evaluator that shares nothing with it; both must come to the same vectors, or both must refuse."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidText
from lib_ti.expression.evaluate import Dictionary, Rows
from lib_ti.expression.evaluate import evaluate as count
from lib_ti.expression.parser import parse_expression
from lib_ti.host import EncoderInfo, Family, ModelInfo
from lib_ti.merge.vectors import evaluate_expression
from tests.expression.grammar import Generator, Refused, World, encoders, evaluate

FAMILIES: dict[Family, tuple[str, ...]] = {"sd1": ("clip_l",), "sdxl": ("clip_l", "clip_g")}


class Host:
    """The world's tables as the product asks for them."""

    def __init__(self, world: World, family: Family) -> None:
        self.world, self.family = world, family

    def model(self) -> ModelInfo:
        tables, padding = self.world.tables, self.world.padding
        infos = tuple(EncoderInfo(name, table.shape[1], padding[name]) for name, table in tables.items())
        return ModelInfo("small", "0123456789", self.family, infos, "epsilon", 64)

    def tokenize(self, text: str) -> list[int]:
        return self.world.words(text)

    def token_text(self, token_id: int) -> str:
        return str(token_id)

    def token_vectors(self, ids: Sequence[int], encoder: str) -> torch.Tensor:
        table = self.world.tables[encoder]
        return torch.from_numpy(table[[token % len(table) for token in ids]])

    def all_token_vectors(self, encoder: str) -> torch.Tensor:
        return torch.from_numpy(self.world.tables[encoder])


class Pair:
    """The product and the second evaluator on one small model."""

    def __init__(self, family: Family) -> None:
        self.world = encoders(FAMILIES[family])
        self.host = Host(self.world, family)
        self.stars = {
            name: Embedding(name, {key: torch.from_numpy(rows) for key, rows in vectors.items()}, family=family)
            for name, vectors in self.world.names.items()
        }
        self.dictionary = Dictionary(self.host.tokenize, self.stars)

    def product(self, text: str) -> dict[str, torch.Tensor] | None:
        try:
            return evaluate_expression(parse_expression(text), self.host, self.stars, self.dictionary)
        except InvalidText:
            return None

    def compare(self, text: str) -> str:
        """Which outcome both came to: "rows", "none" or "refused"."""
        mine = self.product(text)
        try:
            wanted = evaluate(text, self.world)
        except Refused:
            assert mine is None, f"{text!r} is no expression, and was evaluated"
            return "refused"
        assert mine is not None, f"{text!r} is an expression, and was refused"
        for encoder, matrix in wanted.items():
            got = mine[encoder].numpy()
            assert got.shape == matrix.shape, text
            largest = np.abs(matrix).max(initial=1.0)
            np.testing.assert_allclose(got, matrix, rtol=1e-4, atol=1e-4 * largest, err_msg=text)
        rows = Rows(lambda name: self.stars[name].rows, list(wanted))
        assert count(parse_expression(text), rows, self.dictionary) == len(mine["clip_l"])
        return "rows" if len(mine["clip_l"]) else "none"


def compare_many(number: int, seed: int) -> Counter[str]:
    generator, pairs = Generator(seed), [Pair(family) for family in FAMILIES]
    return Counter(pairs[index % 2].compare(generator.draw()) for index in range(number))


def test_both_evaluators_agree_on_what_is_drawn_by_the_grammar() -> None:
    outcomes = compare_many(2_000, seed=1)
    assert min(outcomes.values()) > 50, outcomes
    assert outcomes["rows"] > 1_000, outcomes


@pytest.mark.slow
def test_both_evaluators_agree_on_a_hundred_thousand() -> None:
    outcomes = compare_many(100_000, seed=2)
    assert outcomes["rows"] > 50_000, outcomes
    assert outcomes["refused"] > 10_000, outcomes


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("'a'", "rows"),
        ("'a'*5.", "rows"),
        ("''", "none"),
        ("'a':0", "none"),
        ("'a'*1 0", "refused"),
        ("'a',49408", "refused"),
        ("'a':1024,'b'", "refused"),
        ("'a':1025", "refused"),
        ("'my-star mine too'", "rows"),
        ("'a'*1e30*1e30", "refused"),
    ],
)
def test_the_second_evaluator_is_no_fool(text: str, outcome: str) -> None:
    assert Pair("sd1").compare(text) == outcome
