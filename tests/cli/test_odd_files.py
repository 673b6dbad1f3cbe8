"""One file that nobody can read lies among the others: a user would lose every command that looks at the folder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def out(command: Command, tmp_path: Path) -> Path:
    """With one good file and some that are none."""
    assert command("merge", "'red'*0.5", "--name", "good", "--out", "out")[0] == 0
    out = tmp_path / "out"
    for dtype in ("F4", "F8_E8M0", "C64", "Q9"):
        header = b'{"emb_params":{"dtype":"%s","shape":[2,64],"data_offsets":[0,64]}}' % dtype.encode()
        (out / f"{dtype}.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    save_file({"emb_params": torch.zeros(2, 64, dtype=torch.bool)}, out / "bool.safetensors")
    torch.save({"string_to_param": {"*": torch.zeros(2, 64).to(torch.complex64)}}, out / "complex.pt")
    if os.name != "nt":
        os.mkfifo(out / "pipe.pt")
    return out


ODD = 6


def test_every_command_works_beside_them(command: Command, out: Path, tmp_path: Path) -> None:
    listed = command("list", out)[1]
    assert listed.count("cannot be read") == ODD
    assert "'F4'" in listed
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (64, 64), "red").save(pictures / "a.png")
    commands: tuple[tuple[str | Path, ...], ...] = (
        ("inspect", out / "good.safetensors"),
        ("inspect", "'good'*2", "--model", "demo", "--embeddings", out),
        ("merge", "'good' + 'blue'", "--name", "more", "--out", out),
        ("generate", "--model", "demo", "--embeddings", out, "--prompt", "good", "--steps", "1", "--out", "pictures2"),
        ("again", out / "good.safetensors", "--model", "demo-xl", "--out", "other"),
        (
            "train",
            "--model",
            "demo",
            "--out",
            out,
            "--name",
            "new",
            "--data",
            pictures,
            "--init",
            "red",
            "--steps",
            "1",
        ),
    )
    for words in commands:
        code, _, err = command(*words)
        assert code == 0, (words, err)
    code, _, err = command("convert", out, "--out", tmp_path / "converted", "--to", "pt")
    assert code == 2
    assert err.count("Error: ") == ODD
    assert (tmp_path / "converted" / "good.pt").is_file()


@pytest.mark.parametrize("name", ["F4.safetensors", "C64.safetensors", "bool.safetensors", "complex.pt", "pipe.pt"])
def test_asked_for_by_itself_it_is_told(command: Command, out: Path, name: str) -> None:
    if not (out / name).exists():
        pytest.skip("There are no pipes here")
    for words in (("inspect", out / name), ("convert", out / name, "--out", "converted")):
        code, _, err = command(*words)
        assert code == 2
        assert "Error: " in err
        assert "Traceback" not in err


def test_made_again_with_others_it_is_told_and_they_are_made(command: Command, out: Path, tmp_path: Path) -> None:
    files = sorted(out.glob("*.*"))
    code, told, err = command("again", *files, "--model", "demo-xl", "--out", "other")
    assert code == 1 or code == 2
    assert (tmp_path / "other" / "good.safetensors").is_file()
    assert err.count("Error: ") == len(files) - 1
    assert "good.safetensors" in told
