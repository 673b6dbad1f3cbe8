"""What create and inspect rely on: token ids, token rows and the facts of the model."""

import pytest
import torch

from lib_ti.host import Host


def test_the_model_tells_who_it_is(host: Host) -> None:
    model = host.model()
    expected = {"sd1": ["clip_l"], "sd2": ["clip_h"], "sdxl": ["clip_l", "clip_g"]}[model.family]
    assert [encoder.name for encoder in model.encoders] == expected
    assert [encoder.padding_id for encoder in model.encoders] == [49407 if e == "clip_l" else 0 for e in expected]
    assert model.native_size % model.pixel_multiple == 0
    assert model.short_hash == "" or len(bytes.fromhex(model.short_hash)) == 5


@pytest.mark.parametrize(
    ("text", "ids"),
    [("cat", [2368]), ("Cat  DOG", [2368, 1929]), ("", []), ("one two", [637, 1237]), ("(a:1.5)", [263, 320, 281, 272, 269, 276, 264])],
)  # fmt: skip
def test_text_is_read_literally(host: Host, text: str, ids: list[int]) -> None:
    assert host.tokenize(text) == ids


def test_every_id_has_a_text(host: Host) -> None:
    assert "cat" in host.token_text(2368)
    assert all(isinstance(host.token_text(i), str) for i in (0, 188, 256, 49405, 49406, 49407))


def test_rows_are_those_of_the_table(host: Host) -> None:
    for encoder in host.model().encoders:
        table = host.all_token_vectors(encoder.name)
        assert table.shape == (49408, encoder.width)
        rows = host.token_vectors([2368, 1929, 2368], encoder.name)
        assert torch.equal(rows, table[[2368, 1929, 2368]])
        for tensor in (table, rows):
            assert tensor.dtype == torch.float32
            assert tensor.device.type == "cpu"
            assert not tensor.requires_grad
        assert host.token_vectors([], encoder.name).shape == (0, encoder.width)


def test_a_user_of_the_rows_cannot_spoil_the_model(host: Host) -> None:
    encoder = host.model().encoders[0].name
    before = host.token_vectors([2368], encoder)
    host.token_vectors([2368], encoder).zero_()
    host.all_token_vectors(encoder).zero_()
    assert torch.equal(host.token_vectors([2368], encoder), before)
