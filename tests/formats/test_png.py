"""A picture that carries an embedding must be read by the programs that people have, whichever way it travelled."""

import base64
import io
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.files import load_embedding
from lib_ti.formats.png import CHUNK, card_lines, key_stream, read_columns, write_preview_png
from tests.embeddings import vectors


def keys_by_the_book(count: int) -> list[int]:
    state, keys = 0, []
    for _ in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        keys.append(state % 255)
    return keys


def columns_by_the_book(image: Image.Image) -> dict[str, object]:
    """The pixel columns, read value by value from their description; nothing is shared with our reader."""
    width, height = image.size
    rgb = image.convert("RGB")
    pixels = [[rgb.getpixel((x, y)) for x in range(width)] for y in range(height)]
    lit = [(x, y) for y in range(height) for x in range(width) if all(level > 0 for level in pixels[y][x])]
    left, right = min(x for x, _ in lit), max(x for x, _ in lit)
    top, bottom = min(y for _, y in lit), max(y for _, y in lit)
    nibbles = [[[level & 15 for level in pixels[y][x]] for x in range(left, right + 1)] for y in range(top, bottom + 1)]
    dark = [x for x in range(right - left + 1) if not any(sum(row[x]) for row in nibbles)]
    assert len(dark) >= 2

    def block(start: int, stop: int) -> list[int]:
        flat = [level for row in nibbles for pixel in row[start:stop] for level in pixel]
        return [value ^ (key & 15) for value, key in zip(flat, keys_by_the_book(len(flat)), strict=True)]

    low, high = block(0, dark[0]), block(dark[-1] + 1, right - left + 1)
    packed = bytes(h << 4 | v for v, h in zip(low, high, strict=True))
    return json.loads(zlib.decompressobj().decompress(packed))  # type: ignore[no-any-return]


def photo(width: int = 64, height: int = 48) -> Image.Image:
    noise = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    noise[:, 10] = 0  # a black column within the picture
    return Image.fromarray(noise)


def test_the_key_stream() -> None:
    assert key_stream(10).tolist() == [253, 242, 127, 44, 157, 27, 239, 133, 38, 79]
    assert key_stream(70_000).tolist() == keys_by_the_book(70_000)


def test_a_preview_of_a1111_holds_the_same_in_chunk_and_pixels(data: Path, tmp_path: Path) -> None:
    chunk = load_embedding(data / "a1111-sd1-12.png")
    assert (chunk.name, chunk.step, chunk.model_hash) == ("ti-a-12", 11, "c7dc6ed8c9")
    with Image.open(data / "a1111-sd1-12.png") as image:
        plain = Image.frombytes("RGB", image.size, image.convert("RGB").tobytes())
        for name, options in (("a.png", {}), ("a.webp", {"lossless": True})):
            plain.save(tmp_path / name, **options)
            pixels = load_embedding(tmp_path / name)
            assert torch.equal(pixels.vectors["clip_l"], chunk.vectors["clip_l"])
            assert pixels.name == "ti-a-12"


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("size", [(64, 48), (33, 100)])
def test_our_picture_is_read_by_a_reader_written_from_the_description(rows: int, size: tuple[int, int]) -> None:
    embedding = Embedding("cat", {"clip_l": vectors(rows, 768)}, step=5, model_name="m", family="sd1")
    with Image.open(io.BytesIO(write_preview_png(photo(*size), embedding))) as image:
        chunk = json.loads(base64.b64decode(image.text[CHUNK]))  # type: ignore[attr-defined]
        pixels = columns_by_the_book(image)
    assert chunk == pixels
    assert chunk["name"] == "cat"
    assert chunk["step"] == 5
    assert list(chunk["string_to_param"]) == ["*"]
    numbers = torch.tensor(chunk["string_to_param"]["*"]["TORCHTENSOR"], dtype=torch.float64).float()
    assert torch.equal(numbers, embedding.vectors["clip_l"])


def test_our_picture_comes_back_with_every_fact(sd1: Embedding, tmp_path: Path) -> None:
    path = tmp_path / "whatever.png"
    path.write_bytes(write_preview_png(photo(), sd1, text={"parameters": "a cät"}))
    found = load_embedding(path)
    assert torch.equal(found.vectors["clip_l"], sd1.vectors["clip_l"])
    for fact in ("name", "step", "family", "model_name", "model_hash", "recipe", "created"):
        assert getattr(found, fact) == getattr(sd1, fact)
    with Image.open(path) as image:
        assert image.info["parameters"] == "a cät"


def test_without_the_chunk_the_pixels_are_enough(sd1: Embedding, tmp_path: Path) -> None:
    with Image.open(io.BytesIO(write_preview_png(photo(), sd1))) as image:
        Image.frombytes("RGB", image.size, image.tobytes()).save(tmp_path / "a.webp", lossless=True)
    assert torch.equal(load_embedding(tmp_path / "a.webp").vectors["clip_l"], sd1.vectors["clip_l"])


def test_sdxl_travels_in_the_chunk_which_holds_the_pair_alone(sdxl: Embedding, tmp_path: Path) -> None:
    """A1111 takes any further key of such a dict for a tensor and fails."""
    path = tmp_path / "a.png"
    path.write_bytes(write_preview_png(photo(), sdxl))
    with Image.open(path) as image:
        assert set(json.loads(base64.b64decode(image.info[CHUNK]))) == {"clip_l", "clip_g"}
        assert image.size == (64, 48)
    found = load_embedding(path)
    assert (found.name, found.step, found.family) == ("my-cat", 7, "sdxl")
    assert all(torch.equal(found.vectors[key], sdxl.vectors[key]) for key in sdxl.vectors)


def test_the_embedding_of_a_tiny_model(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    tiny = Embedding("a", {"clip_l": torch.zeros(1, 64)}, family="sd1")  # zeros: nothing to scale the decoration by
    path.write_bytes(write_preview_png(photo(), tiny))
    assert load_embedding(path).widths == {"clip_l": 64}


def test_a_lossy_copy_and_an_ordinary_picture_are_told(sd1: Embedding, tmp_path: Path) -> None:
    with Image.open(io.BytesIO(write_preview_png(photo(), sd1))) as image:
        image.save(tmp_path / "lossy.webp", quality=80)
    photo().save(tmp_path / "photo.png")
    Image.new("RGB", (40, 40)).save(tmp_path / "black.png")
    for name in ("lossy.webp", "photo.png", "black.png"):
        with pytest.raises(InvalidEmbedding, match="carries no embedding"):
            load_embedding(tmp_path / name)


def test_a_picture_too_large_to_search_is_not_decoded(tmp_path: Path) -> None:
    Image.new("1", (8000, 8000)).save(tmp_path / "bomb.png")
    with pytest.raises(InvalidEmbedding, match="too large"):
        load_embedding(tmp_path / "bomb.png")


def test_a_zip_bomb_in_the_pixels_stops_at_the_limit() -> None:
    from lib_ti.formats.png import write_columns

    bomb = write_columns(photo(), b" " * 30_000_000, [[1.0]])
    assert read_columns(bomb) is None


def test_the_words_on_the_card(sd1: Embedding) -> None:
    assert card_lines(sd1) == ["3 vectors · step 120", "some model ü [0123456789]"]
    for size in ((40, 40), (512, 512), (200, 900)):
        long = Embedding("a-very-long-name-" * 5, sd1.vectors)
        write_preview_png(Image.new("RGBA", size), long)
