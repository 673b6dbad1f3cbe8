"""Pictures are described on every host: one choice of token for all encoders, and the host is left as found."""

from pathlib import Path

import torch
from PIL import Image, ImageDraw

from lib_ti.config.describe import DescribeConfig
from lib_ti.expression.evaluate import Dictionary
from lib_ti.expression.parser import parse_expression
from lib_ti.host import Host
from lib_ti.merge.vectors import evaluate_expression
from lib_ti.training.describe import describe
from lib_ti.training.description import Description
from tests.contract.conftest import HostUnderTest
from tests.contract.test_left_as_found import state_of


def look(host: Host, folder: Path) -> Description:
    side = host.model().native_size
    picture = Image.new("RGB", (side, side), (250, 250, 250))
    ImageDraw.Draw(picture).ellipse([side // 6, side // 6, side * 5 // 6, side * 5 // 6], fill=(220, 30, 30))
    picture.save(folder / "picture.png")
    config = DescribeConfig(str(folder), words=2, among="red circle", start="green", samples=8, candidates=2)
    return describe(host, config, Dictionary(host.tokenize))


def test_a_word_is_one_token_for_all_encoders(host: Host, tmp_path: Path) -> None:
    """Of SDXL's two, each would else read another word."""
    found = look(host, tmp_path)
    assert "red" in [word.text for word in found.words]
    rows = evaluate_expression(parse_expression(found.expression), host, {})
    assert rows.keys() == {encoder.name for encoder in host.model().encoders}
    for encoder, matrix in rows.items():
        assert torch.equal(matrix, host.token_vectors([word.token for word in found.words], encoder))


def test_a_search_leaves_the_host_as_found(under_test: HostUnderTest, tmp_path: Path) -> None:
    look(under_test.host, tmp_path)  # a host may load its model only now
    before = state_of(under_test)
    look(under_test.host, tmp_path)
    after = state_of(under_test)
    assert [key for key in before if before[key] != after.get(key)] == []
