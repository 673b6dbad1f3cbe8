"""A file that any program wrote must load, or be refused by its name; a file of ours must load everywhere."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import EmbeddingExists, InvalidEmbedding
from lib_ti.formats.files import load_bundle, load_embedding, load_header, save_diffusers, save_embedding
from tests.formats.layout_files import READABLE, REFUSED, G, L


def same(found: Embedding, wanted: dict[str, torch.Tensor]) -> bool:
    return list(found.vectors) == list(wanted) and all(torch.equal(found.vectors[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize("layout", READABLE)
def test_every_layout_is_read(layout: str, tmp_path: Path) -> None:
    write, value, ending, wanted = READABLE[layout]
    path = tmp_path / f"trigger.{ending}"
    write(value, path)
    embedding, header = load_embedding(path), load_header(path)
    assert same(embedding, wanted)
    assert (header.rows, dict(header.widths)) == (embedding.rows, embedding.widths)
    assert embedding.name == ("cat" if "LoRA" in layout else "trigger")


@pytest.mark.parametrize("layout", READABLE)
def test_the_ending_does_not_decide(layout: str, tmp_path: Path) -> None:
    write, value, _, wanted = READABLE[layout]
    path = tmp_path / "renamed.embedding"
    write(value, path)
    assert same(load_embedding(path), wanted)


@pytest.mark.parametrize("layout", REFUSED)
def test_what_cannot_be_used_is_refused_by_name(layout: str, tmp_path: Path) -> None:
    write, value, ending, words = REFUSED[layout]
    path = tmp_path / f"trigger.{ending}"
    write(value, path)
    with pytest.raises(InvalidEmbedding, match=words) as caught:
        load_embedding(path)
    assert caught.value.where == str(path)


def test_what_was_left_out_is_told(tmp_path: Path) -> None:
    for layout, words in (
        ("OneTrainer SDXL", "clip_g_out"),
        ("clip_l alone", "taken for SD1"),
        ("A1111", "calls itself 'inner'"),
        ("diffusers 2-D", "<cat-toy>"),
    ):
        write, value, ending, _ = READABLE[layout]
        write(value, tmp_path / f"x.{ending}")
        assert words in " ".join(load_embedding(tmp_path / f"x.{ending}").notes)


def test_files_of_real_programs(data: Path) -> None:
    trained = load_embedding(data / "a1111-sd1.pt")
    assert (trained.rows, trained.widths, trained.step) == (2, {"clip_l": 768}, 30)
    assert (trained.model_name, trained.model_hash, trained.family) == ("tiny-sd1", "c7dc6ed8c9", "sd1")
    merged = load_embedding(data / "em-sd1.safetensors")
    pair = load_embedding(data / "em-sdxl.safetensors")
    assert merged.widths == {"clip_l": 768}
    assert pair.widths == {"clip_l": 768, "clip_g": 1280}
    assert pair.family == "sdxl"
    with pytest.raises(InvalidEmbedding, match="optimizer"):
        load_embedding(data / "a1111-sd1.pt.optim")


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_our_files_keep_every_fact(sd1: Embedding, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"my-cat.{ending}"
    save_embedding(sd1, path)
    found = load_embedding(path)
    assert same(found, dict(sd1.vectors))
    for fact in ("name", "step", "family", "model_name", "model_hash", "recipe", "token_tables", "created", "notes"):
        assert getattr(found, fact) == getattr(sd1, fact)
    assert load_header(path).recipe == sd1.recipe


def test_a_file_of_a_tiny_model_knows_its_encoder(tmp_path: Path) -> None:
    save_embedding(Embedding("a", {"clip_h": torch.ones(1, 32)}, family="sd2"), tmp_path / "a.safetensors")
    found = load_embedding(tmp_path / "a.safetensors")
    assert (found.widths, found.family) == ({"clip_h": 32}, "sd2")
    assert found.created  # the date of writing


def test_readers_that_know_nothing_of_us_see_only_the_tensors(sd1: Embedding, sdxl: Embedding, tmp_path: Path) -> None:
    save_embedding(sd1, tmp_path / "a.safetensors")
    save_embedding(sdxl, tmp_path / "b.safetensors")
    assert set(load_file(tmp_path / "a.safetensors")) == {"emb_params"}
    assert set(load_file(tmp_path / "b.safetensors")) == {"clip_l", "clip_g"}


@pytest.mark.parametrize("ending", ["bin", "safetensors"])
def test_diffusers_form(sd1: Embedding, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"learned_embeds.{ending}"
    save_diffusers(sd1, path)
    values = torch.load(path, weights_only=True) if ending == "bin" else load_file(path)
    assert list(values) == ["my-cat"]
    assert torch.equal(values["my-cat"], sd1.vectors["clip_l"])
    assert same(load_embedding(path), dict(sd1.vectors))


def test_sdxl_has_no_pt_and_no_diffusers_form(sdxl: Embedding, tmp_path: Path) -> None:
    for save in (save_embedding, save_diffusers):
        with pytest.raises(InvalidEmbedding, match="safetensors"):
            save(sdxl, tmp_path / ("a.pt" if save is save_embedding else "a.bin"))
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_unless_asked(sd1: Embedding, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"precious")
    with pytest.raises(EmbeddingExists):
        save_embedding(sd1, path)
    assert path.read_bytes() == b"precious"
    save_embedding(sd1, path, overwrite=True)
    assert load_embedding(path).rows == 3


def test_all_bundled_embeddings_can_be_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    save_file({"bundle_emb.a.emb_params": L, "bundle_emb.b.clip_l": L.clone(), "bundle_emb.b.clip_g": G}, path)
    first, second = load_bundle(path)
    assert (first.name, first.family, second.name, second.family) == ("a", "sd1", "b", "sdxl")
    write, value, ending, _ = READABLE["SDXL"]
    write(value, tmp_path / f"plain.{ending}")
    assert load_bundle(tmp_path / f"plain.{ending}") == []


@pytest.mark.parametrize("content", [b"", b"\x00", b"hello, this is no embedding", b"\xff" * 40])
def test_files_of_no_kind(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(InvalidEmbedding):
        load_embedding(path)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(InvalidEmbedding, match="cannot be read"):
            load_header(path)


def test_listing_headers_needs_no_torch(data: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lib_ti.formats.files import load_header\n"
        "names = ['a1111-sd1.pt', 'a1111-sd1-12.png', 'em-sdxl.safetensors']\n"
        "print([load_header(Path(sys.argv[1]) / name).rows for name in names], 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[2, 2, 1] False"


def test_notes_of_a_strangers_file_are_few_short_and_steer_no_terminal(tmp_path: Path) -> None:
    tensors = {f"extra {number} \x1b[31m{'x' * 600}": torch.zeros(1, 8) for number in range(100)}
    save_file({"clip_l": torch.zeros(2, 768), "clip_g": torch.zeros(2, 1280), **tensors}, tmp_path / "x.safetensors")
    notes = load_header(tmp_path / "x.safetensors").notes
    assert 0 < len(notes) <= 20
    assert all(len(note) <= 500 and note.isprintable() for note in notes)
