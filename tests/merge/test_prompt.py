"""A user would lose: expressions inside prompts."""

from pathlib import Path

import pytest
import torch
from PIL import Image, ImageChops

from lib_ti.adapters.detect import open_standalone
from lib_ti.app import App
from lib_ti.errors import InvalidText
from lib_ti.expression.dictionary import Dictionary
from lib_ti.host import ImageRequest
from lib_ti.merge.prompt import evaluate_prompts
from tests.toy_host import ToyHost


def evaluate(host: ToyHost, prompt: str, negative: str = "") -> tuple[ImageRequest, dict[str, dict[str, torch.Tensor]]]:
    return evaluate_prompts(ImageRequest(prompt, negative), host, {}, Dictionary(host.tokenize, []))


def test_an_expression_becomes_a_placeholder_for_its_vectors(tmp_path: Path) -> None:
    host = ToyHost(tmp_path, "sdxl")
    request, placed = evaluate(host, "a photo of <'cat'*0.5+'dog'>, (big:1.2)", "{'fog'}")
    first, second = placed
    assert request.prompt.split() == ["a", "photo", "of", first, ",", "(big:1.2)"]
    assert request.negative.strip() == second
    for encoder in ("clip_l", "clip_g"):
        cat, dog = (host.token_vectors(host.tokenize(word), encoder) for word in ("cat", "dog"))
        torch.testing.assert_close(placed[first][encoder], cat * 0.5 + dog)


def test_rows_beyond_a_chunk_are_split_and_none_are_nothing(tmp_path: Path) -> None:
    request, placed = evaluate(ToyHost(tmp_path), "<'cat':80> and <''>")
    assert [len(vectors["clip_l"]) for vectors in placed.values()] == [75, 5]
    assert request.prompt.split() == [*placed, "and"]


def test_a_placeholder_is_named_after_its_numbers(tmp_path: Path) -> None:
    """Hosts keep encoded prompts by their text, over a change of the model and of the files behind names."""
    host = ToyHost(tmp_path)
    names = [[*evaluate(host, f"<{text}>")[1]] for text in ("'cat'", "'cat'*1", "'dog'")]
    assert names[0] == names[1] != names[2]
    host.tables["clip_l"] *= 2
    assert [*evaluate(host, "<'cat'>")[1]] != names[0]


def test_a_fault_shows_its_place(tmp_path: Path) -> None:
    with pytest.raises(InvalidText, match=r"\^"):
        evaluate(ToyHost(tmp_path), "a <'cat'**2>")


def test_a_word_typed_as_an_expression_gives_the_words_own_picture(tmp_path: Path) -> None:
    app = App(open_standalone("demo", "cpu", "fp32", tmp_path, tmp_path / "logs"))

    def picture(prompt: str) -> Image.Image:
        return app.generate(ImageRequest(prompt, steps=2, cfg=3.0, seed=1))

    plain = picture("a red circle")
    same = ImageChops.difference(plain, picture("a <'red'> circle"))
    other = ImageChops.difference(plain, picture("a <'red'*0+'blue'> circle"))
    assert max(high for _, high in same.getextrema()) <= 1
    assert max(high for _, high in other.getextrema()) > 30
