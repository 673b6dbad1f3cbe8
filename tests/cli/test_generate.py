"""`generate`: a picture that cannot be made again, or that replaced another one, is lost."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Opened

Command = Callable[..., tuple[int, str, str]]


def test_the_png_says_how_it_was_made(command: Command) -> None:
    made = command(
        "generate", "--prompt", "a foo", "--negative", "blur", "--steps", "5", "--cfg", "3", "--seed", "9", "--out", "a.png"
    )  # fmt: skip
    assert made[0] == 0
    with Image.open("a.png") as picture:
        text = picture.info["parameters"]
    assert text.startswith(
        "a foo\nNegative prompt: blur\nSteps: 5, Sampler: DPM++ 2M, CFG scale: 3, Seed: 9, Size: 64x64"
    )
    assert "Model hash: 0123456789" in text


def test_many_pictures_get_the_next_seeds_and_new_files(command: Command, hosts: list[Opened]) -> None:
    command("generate", "--prompt", "x", "--seed", "5", "--count", "2", "--out", "made")
    command("generate", "--prompt", "x", "--seed", "5", "--count", "2", "--out", "made")
    assert sorted(path.name for path in Path("made").iterdir()) == [f"0000{number}.png" for number in (1, 2, 3, 4)]
    assert [request.seed for request in hosts[0].requests] == [5, 6]


def test_a_drawn_seed_is_told(command: Command, hosts: list[Opened]) -> None:
    out = command("generate", "--prompt", "x", "--out", "made")[1]
    told = re.search(r"seed (\d+)", out)
    assert told
    assert int(told[1]) == hosts[0].requests[0].seed


def test_embeddings_of_the_folder_are_at_hand(command: Command, hosts: list[Opened]) -> None:
    command("generate", "--prompt", "x", "--embeddings", "mine", "--out", "a.png")
    assert hosts[0].embeddings_folder() == Path("mine")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--count", "2", "--out", "a.png"), "2 pictures"),
        (("--count", "0"), "--count: Pictures is 0, below the least of 1"),
        (("--width", "-8"), "--width: Width is -8, below the least of 0"),
        (("--height", "8192"), "--height: Height is 8192, above the most of 4096"),
        (("--steps", "0"), "--steps: "),
        (("--steps", "9" * 30), "--steps: "),
        (("--count", "9" * 30), "--count: "),
        (("--cfg", "nan"), "--cfg: "),
        (("--clip-skip", "-1"), "--clip-skip: "),
        (("--seed", "99999999999999999999"), "--seed: "),
        (("--sampler", "Magic"), "DPM++ 2M"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_picture(command: Command, flags: tuple[str, ...], said: str) -> None:
    code, out, err = command("generate", "--prompt", "x", *flags)
    assert (code, out) == (2, "")
    assert said in err


def test_what_is_nearly_an_expression_is_told_and_drawn_as_text(command: Command, hosts: list[Opened]) -> None:
    code, _, err = command("generate", "--prompt", "<('cat'+> x", "--negative", "<-'fog'>", "--out", "a.png")
    assert code == 0
    assert "<('cat'+> is nearly an expression" in err
    (request,) = hosts[0].requests
    assert request.prompt == "<('cat'+> x"
    assert "<" not in request.negative


def test_a_prompt_may_begin_with_a_minus_and_a_quote(command: Command, hosts: list[Opened]) -> None:
    assert command("generate", "--prompt", "-'90s", "--out", "a.png")[0] == 0
    assert hosts[0].requests[0].prompt == "-'90s"
