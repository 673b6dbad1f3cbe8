"""A user would lose: an embedding explained in words that merge back to it."""

import pytest
import torch

from lib_ti.errors import InvalidText
from lib_ti.expression.evaluate import Dictionary
from lib_ti.expression.parser import parse_expression
from lib_ti.expression.prompt import find_expressions
from lib_ti.host import Family
from lib_ti.inspect.decompose import Parts, decompose_rows, write_expression
from lib_ti.merge.vectors import evaluate_expression
from tests.merge.text_model import SmallTextModel

PLANTED = {2368: 0.5, 1929: 1.25, 40000: -0.75}


def real_width_table() -> torch.Tensor:
    """Token vectors of CLIP's width that share a common direction, as real ones do."""
    generator = torch.Generator().manual_seed(3)
    return torch.randn(49408, 768, generator=generator) * 0.013 + torch.randn(768, generator=generator) * 0.008


def planted(table: torch.Tensor, weights: dict[int, float] = PLANTED) -> torch.Tensor:
    return sum((weight * table[token] for token, weight in weights.items()), torch.zeros(table.shape[1]))


def test_planted_tokens_are_found_exactly() -> None:
    table = real_width_table()
    (parts,) = decompose_rows(planted(table)[None], table)
    assert dict(zip(parts.tokens, parts.weights, strict=True)) == pytest.approx(PLANTED, abs=1e-5)
    assert parts.tokens[0] == 1929  # the weightiest
    assert parts.residual < 1e-5


def test_alike_tokens_are_told_apart() -> None:
    """In 40 dimensions many of 49,408 tokens are alike; the greedy first choice is wrong in about one of four."""
    generator = torch.Generator().manual_seed(11)
    table = torch.randn(49408, 40, generator=generator)
    for _ in range(8):
        tokens = torch.randint(49408, (3,), generator=generator).tolist()
        weights = (torch.rand(3, generator=generator) + 0.4).tolist()
        (parts,) = decompose_rows(planted(table, dict(zip(tokens, weights, strict=True)))[None], table, 3)
        assert set(parts.tokens) == set(tokens)


def test_the_residual_tells_what_is_left() -> None:
    table = torch.eye(6)
    row = torch.tensor([[3.0, 0, 0, 0, 4.0, 0]])
    (one,), (two,) = decompose_rows(row, table, 1), decompose_rows(row, table, 5)
    assert one == Parts((4,), (4.0,), pytest.approx(0.6))  # type: ignore[arg-type]
    assert two == Parts((4, 0), (4.0, 3.0), 0.0)


def test_zero_rows_and_parallel_tokens_do_no_harm() -> None:
    table = torch.tensor([[1.0, 0], [2.0, 0], [0, 0], [1.0, 0]])
    zero, half = decompose_rows(torch.tensor([[0.0, 0], [1.0, 1.0]]), table, 3)
    assert zero == Parts((), (), 0.0)
    assert half.residual == pytest.approx(0.5**0.5)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_the_expression_merges_back_to_the_vectors(family: Family) -> None:
    host = SmallTextModel(family)
    dictionary = Dictionary(host.tokenize)
    text = "'cat'*0.5-'dog'*1.25,'',5,00" + ("+'red':3:+1@G" if family == "sdxl" else ":5:+1")
    vectors = evaluate_expression(parse_expression(text), host, {})
    rows = {name: decompose_rows(matrix, host.tables[name], 2) for name, matrix in vectors.items()}
    written = write_expression(rows, host, dictionary)
    again = evaluate_expression(parse_expression(written), host, {})
    for name, matrix in vectors.items():
        torch.testing.assert_close(again[name], matrix, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("rows", "names", "written"),
    [
        ([Parts((2368,), (1.0,), 0)], [], "'cat'"),
        ([Parts((2368,), (1.0,), 0)], ["cat"], "'',2368"),
        ([Parts((2368, 5), (0.5, -1.23456789), 0)], [], "'cat'*0.5 - '',5*1.23457"),
        ([Parts((2368,), (-1.0,), 0), Parts((1929,), (2.0,), 0)], [], "-'cat' + 'dog'*2:2:+1"),
        ([Parts((2368, 1929), (1.0, 1.0), 0)] * 2, [], "'cat' + 'dog' + ('cat' + 'dog'):2:+1"),
        ([Parts((2368,), (1.0,), 0), Parts((), (), 0)], [], "'cat' + '':2"),
        ([Parts((), (), 0)], [], "'':1"),
    ],
)
def test_expressions_are_short_and_in_words(rows: list[Parts], names: list[str], written: str) -> None:
    host = SmallTextModel()
    text = write_expression({"clip_l": rows}, host, Dictionary(host.tokenize, names))
    assert text == written


def test_what_explains_an_embedding_can_be_put_into_a_prompt() -> None:
    host = SmallTextModel()
    rows = [Parts((2368, 1929), (-0.5, 1.25), 0), Parts((1929,), (2.0,), 0)]
    written = write_expression({"clip_l": rows}, host, Dictionary(host.tokenize))
    assert written.startswith("-")
    (found,) = find_expressions(f"a photo of <{written}>")
    assert found.text == written


def test_every_token_can_be_written() -> None:
    host = SmallTextModel()
    dictionary = Dictionary(host.tokenize)
    for token in [*range(0, 49408, 97), 49406, 49407]:
        text = write_expression({"clip_l": [Parts((token,), (1.0,), 0)]}, host, dictionary)
        try:
            (row,) = evaluate_expression(parse_expression(text), host, {})["clip_l"]
        except InvalidText as error:
            pytest.fail(str(error))
        assert torch.equal(row, host.tables["clip_l"][token])
