"""A user would lose: the same merges on the models that come with the program, through the real standalone host."""

from pathlib import Path

import pytest
import torch

from lib_ti.adapters.detect import open_standalone
from lib_ti.expression.evaluate import Dictionary
from lib_ti.expression.parser import parse_expression
from lib_ti.formats.files import load_embedding, save_embedding
from lib_ti.host import Host
from lib_ti.inspect.decompose import decompose_rows, write_expression
from lib_ti.inspect.table import nearest_tokens
from lib_ti.merge.vectors import build_embedding, evaluate_expression
from tests.merge.test_vectors import CASES, check_case


@pytest.fixture(scope="module", params=["demo", "demo-xl"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Host:
    folder = tmp_path_factory.mktemp("embeddings")
    return open_standalone(request.param, "cpu", "fp32", folder, folder / "logs")


def test_all_cases(host: Host) -> None:
    for text, expected in CASES:
        check_case(text, expected, host)


def test_a_saved_merge_is_used_in_the_next(host: Host, tmp_path: Path) -> None:
    mix = build_embedding(parse_expression("'cat'*0.5+'dog'"), "mix", host, {})
    save_embedding(mix, tmp_path / "mix.safetensors")
    loaded = load_embedding(tmp_path / "mix.safetensors")
    assert loaded.recipe == {"source": "expression", "expression": "'cat'*0.5+'dog'"}
    again = evaluate_expression(parse_expression("'a MIX'*2"), host, {"mix": loaded})
    for encoder, matrix in again.items():
        table = host.all_token_vectors(encoder)
        assert torch.allclose(matrix, torch.stack([2 * table[320], table[2368] + 2 * table[1929]]))


def test_an_embedding_is_told_in_words(host: Host) -> None:
    dictionary = Dictionary(host.tokenize)
    text = "'red' + 'circle'*0.5 - 'striped'*0.25"
    vectors = evaluate_expression(parse_expression(text), host, {})
    rows = {name: decompose_rows(matrix, host.all_token_vectors(name), 3) for name, matrix in vectors.items()}
    written = write_expression(rows, host, dictionary)
    again = evaluate_expression(parse_expression(written), host, {})
    for encoder, matrix in vectors.items():
        assert torch.allclose(again[encoder], matrix, atol=1e-5)
        (parts,) = rows[encoder]
        assert {*parts.tokens} == {*host.tokenize("red circle striped")}, written


@pytest.mark.parametrize("every", [61, pytest.param(1, marks=pytest.mark.slow)])
def test_each_token_is_nearest_to_itself(host: Host, every: int) -> None:
    for encoder in host.model().encoders:
        table = host.all_token_vectors(encoder.name)
        near = nearest_tokens(table[::every], table, 1)
        assert [n[0].token for n in near] == list(range(0, 49408, every))
        assert min(n[0].cosine for n in near) > 1 - 1e-12
