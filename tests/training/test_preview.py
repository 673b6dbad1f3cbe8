"""The picture on an embedding's card: the newest preview, never in place of one that the user chose."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.events import ignore
from lib_ti.training.plan import plan_training
from lib_ti.training.preview import preview_png, save_card
from lib_ti.training.run import train
from tests.toy_host import ToyHost

RED, BLUE = (preview_png(Image.new("RGB", (8, 8), color), "a cat") for color in ("red", "blue"))


def test_the_newest_preview_replaces_an_older_one_of_ours(tmp_path: Path) -> None:
    for png in (RED, BLUE):
        assert save_card(png, tmp_path / "foo.safetensors")
        assert (tmp_path / "foo.preview.png").read_bytes() == png


@pytest.mark.parametrize("name", ["foo.preview.png", "foo.png", "foo.preview.jpg", "foo.webp"])
def test_a_picture_of_the_user_stays(tmp_path: Path, name: str) -> None:
    own = io.BytesIO()
    Image.new("RGB", (8, 8)).save(own, "PNG")
    (tmp_path / name).write_bytes(own.getvalue())
    assert not save_card(RED, tmp_path / "foo.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == own.getvalue()


def test_a_broken_picture_of_the_user_stays(tmp_path: Path) -> None:
    (tmp_path / "foo.preview.png").write_bytes(b"broken")
    assert not save_card(RED, tmp_path / "foo.safetensors")


def test_a_huge_picture_of_the_user_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foo.preview.png").write_bytes(BLUE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8)
    assert not save_card(RED, tmp_path / "foo.safetensors")


@pytest.mark.parametrize("card", [True, False])
def test_a_run_leaves_the_card_it_is_asked_for(
    tmp_path: Path, settings: Callable[..., TrainConfig], card: bool
) -> None:
    host = ToyHost(tmp_path)
    train(host, plan_training(host, settings(preview__every=4, save__card=card)), ignore, Control())
    assert (host.embeddings_folder() / "foo.preview.png").exists() == card
