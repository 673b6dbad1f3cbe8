"""A user would lose: files, by a conversion that overwrites one or gives up at the first that is broken."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from lib_ti.config.embeddings import FORMS, Form
from lib_ti.embedding.embedding import Embedding
from lib_ti.formats.files import load_embedding, save_embedding
from lib_ti.formats.png import write_preview_png
from lib_ti.library.conversion import convert_files
from tests.embeddings import vectors
from tests.formats.layout_files import READABLE, REFUSED


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", READABLE)
def test_every_layout_becomes_every_form_that_can_hold_it(tmp_path: Path, layout: str, form: Form) -> None:
    write, value, ending, wanted = READABLE[layout]
    source = tmp_path / f"cat.{ending}"
    write(value, source)
    done = convert_files([source], form, tmp_path / "out")
    if len(wanted) > 1 and form in ("pt", "diffusers"):
        assert done.written == ()
        assert "safetensors" in done.faults[0].hint
        return
    assert done.faults == ()
    (target,) = (one.target for one in done.written)
    made = load_embedding(target)
    assert made.vectors.keys() == wanted.keys()
    assert all(torch.equal(made.vectors[key], wanted[key]) for key in wanted)


def test_faults_are_collected_and_the_rest_is_converted(tmp_path: Path, sd1: Embedding) -> None:
    folder = tmp_path / "in"
    save_embedding(sd1, folder / "good.safetensors")
    save_embedding(sd1, folder / "deep" / "down" / "good.safetensors")
    for number, (write, value, ending, _) in enumerate(REFUSED.values()):
        write(value, folder / f"bad{number}.{ending}")
    done = convert_files([folder, tmp_path / "gone.pt"], "pt", tmp_path / "out")
    written = {one.target.relative_to(tmp_path / "out").as_posix() for one in done.written}
    assert written == {"good.pt", "deep/down/good.pt", "a.pt", "b.pt"}, "a and b are bundled in one of the others"
    assert len({fault.where for fault in done.faults}) == len(REFUSED) - 1 + 1
    assert all(fault.message and str(tmp_path) in fault.where for fault in done.faults)


def test_nothing_is_overwritten_unasked(tmp_path: Path, sd1: Embedding) -> None:
    source, target = tmp_path / "a.safetensors", tmp_path / "out" / "a.png"
    save_embedding(sd1, source)
    target.parent.mkdir()
    target.write_bytes(b"mine")
    done = convert_files([source], "png", target.parent)
    assert "exists" in done.faults[0].message
    assert target.read_bytes() == b"mine"
    assert convert_files([source], "png", target.parent, overwrite=True).faults == ()
    assert load_embedding(target).rows == 3


def test_two_files_of_one_name_do_not_overwrite_each_other_even_if_asked(tmp_path: Path, sd1: Embedding) -> None:
    sources = [tmp_path / "one" / "a.safetensors", tmp_path / "two" / "A.safetensors"]
    save_embedding(sd1, sources[0])
    save_embedding(Embedding("A", {"clip_l": vectors(1, 768)}), sources[1])
    done = convert_files(sources, "pt", tmp_path / "out", overwrite=True)
    assert len(done.written) == len(done.faults) == 1
    assert load_embedding(tmp_path / "out" / "a.pt").rows == 3


def test_what_was_converted_before_is_not_converted_again(tmp_path: Path, sd1: Embedding) -> None:
    save_embedding(sd1, tmp_path / "a.safetensors")
    convert_files([tmp_path], "pt", tmp_path / "out")
    done = convert_files([tmp_path], "png", tmp_path / "out")
    assert [one.source.name for one in done.written] == ["a.safetensors"]


def test_a_lora_gives_each_of_its_embeddings_a_file(tmp_path: Path) -> None:
    one, two = vectors(2, 768), vectors(1, 768, 1)
    lora = tmp_path / "lora.safetensors"
    save_file(
        {"bundle_emb.cat.emb_params": one, "bundle_emb.a/../b.emb_params": two, "lora_x.alpha": torch.ones(1)}, lora
    )
    done = convert_files([lora], "safetensors", tmp_path / "out")
    assert done.faults == ()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["cat.safetensors", "lora-1.safetensors"]
    assert torch.equal(load_embedding(tmp_path / "out" / "cat.safetensors").vectors["clip_l"], one)


def test_a_name_inside_a_picture_cannot_lead_out_of_the_folder(tmp_path: Path, sd1: Embedding) -> None:
    source = tmp_path / "card.png"
    source.write_bytes(write_preview_png(Image.new("RGB", (64, 64)), replace(sd1, name="../../escaped")))
    done = convert_files([source], "safetensors", tmp_path / "out")
    assert done.written[0].target == tmp_path / "out" / "card.safetensors"


def test_diffusers_form_has_the_name_as_its_token(tmp_path: Path, sd1: Embedding) -> None:
    save_embedding(sd1, tmp_path / "my-cat.safetensors")
    convert_files([tmp_path / "my-cat.safetensors"], "diffusers", tmp_path / "out")
    assert list(load_file(tmp_path / "out" / "my-cat.safetensors")) == ["my-cat"]


def test_a_picture_is_drawn_on_the_thumbnail_where_there_is_one(tmp_path: Path, sd1: Embedding) -> None:
    for name in ("a", "b", "c"):
        save_embedding(sd1, tmp_path / f"{name}.safetensors")
    Image.new("RGB", (300, 200), "lime").save(tmp_path / "a.preview.png")
    (tmp_path / "c.preview.png").write_bytes(b"damaged")
    done = convert_files([tmp_path / f"{name}.safetensors" for name in "abc"], "png", tmp_path / "out")
    assert done.faults == ()
    sizes = {}
    for one in done.written:
        with Image.open(one.target) as picture:
            sizes[one.target.stem] = picture.height
            if one.target.stem == "a":
                assert picture.convert("RGB").getpixel((picture.width // 2, 100)) == (0, 255, 0)
    assert sizes == {"a": 200, "b": 512, "c": 512}


def test_families_are_changed_on_the_way_and_the_loss_is_told(tmp_path: Path, sd1: Embedding, sdxl: Embedding) -> None:
    save_embedding(sd1, tmp_path / "one.safetensors")
    save_embedding(sdxl, tmp_path / "two.safetensors")
    done = convert_files([tmp_path], "safetensors", tmp_path / "out", family="sdxl")
    notes = {one.source.stem: " ".join(one.notes) for one in done.written}
    assert "clip_g is zero" in notes["one"]
    assert "clip_g" not in notes["two"]
    assert load_embedding(tmp_path / "out" / "one.safetensors").family == "sdxl"


def test_a_small_file_that_is_a_huge_picture_is_no_cards_background(tmp_path: Path, sd1: Embedding) -> None:
    save_embedding(sd1, tmp_path / "cat.safetensors")
    Image.new("1", (12000, 12000)).save(tmp_path / "cat.preview.png")
    done = convert_files([tmp_path / "cat.safetensors"], "png", tmp_path / "out")
    with Image.open(done.written[0].target) as card:
        assert card.width * card.height < 10**6
