"""A program loses: the list of the embeddings, and their pictures."""

import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from lib_ti.app import App
from lib_ti.errors import HostError
from tests.api.conftest import Ask


@pytest.fixture
def folder(post: Ask, app: App) -> Path:
    post("merge", {"expression": "'red round'", "name": "moth"})
    post("create", {"name": "bee", "init": "green", "folder": "insects"})
    folder = app.host.embeddings_folder()
    (folder / "broken.pt").write_bytes(b"junk")
    Image.new("RGB", (8, 8)).save(folder / "moth.preview.png")
    return folder


def test_all_files_are_listed_with_how_they_were_made(get: Ask, folder: Path) -> None:
    answer = get("library").json()
    assert answer["folder"] == str(folder)
    entries = {entry["name"]: entry for entry in answer["embeddings"]}
    assert entries.keys() == {"moth", "bee", "broken"}
    assert entries["bee"]["file"] == "insects/bee.safetensors"
    assert entries["moth"]["recipe"] == "'red round'"
    assert (entries["moth"]["vectors"], entries["moth"]["match"], entries["moth"]["thumbnail"]) == (2, "this", True)
    assert entries["broken"]["fault"]
    assert [entry["name"] for entry in get("library", filter="insects").json()["embeddings"]] == ["bee"]


def test_the_list_needs_no_model(get: Ask, folder: Path, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise HostError("No model yet.")

    monkeypatch.setattr(app.host, "model", none)
    assert [entry["match"] for entry in get("library", filter="moth").json()["embeddings"]] == [None]


def test_one_file_is_told_in_full(get: Ask, folder: Path) -> None:
    answer = get("library/file", file="moth.safetensors").json()
    assert answer["widths"] == {"clip_l": 6}
    assert answer["recipe_full"]["expression"] == "'red round'"
    assert get("library/file", file="broken.pt").json()["layout"] == ""
    assert get("library/file", file="nothing.pt").status_code == 404
    assert get("library/file", file="moth.preview.png").status_code == 404, "a thumbnail is no embedding"
    assert get("library/file").status_code == 422


def test_its_picture_comes_as_a_picture(get: Ask, folder: Path) -> None:
    answer = get("library/thumbnail", file="moth.safetensors")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == (folder / "moth.preview.png").read_bytes()
    assert get("library/thumbnail", file="insects/bee.safetensors").status_code == 404


def test_links_out_of_the_folder_are_not_followed(get: Ask, folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "moth.safetensors").replace(elsewhere / "secret.safetensors")
    (folder / "moth.preview.png").replace(elsewhere / "secret.preview.png")
    (folder / "link.safetensors").symlink_to(elsewhere / "secret.safetensors")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "insects" / "bee.preview.png").symlink_to(elsewhere / "secret.preview.png")
    assert {entry["name"] for entry in get("library").json()["embeddings"]} == {"bee", "broken"}
    assert get("library/file", file="link.safetensors").status_code == 404
    assert get("library/file", file="linked/secret.safetensors").status_code == 404
    assert get("library/thumbnail", file="insects/bee.safetensors").status_code == 404


def test_a_name_that_is_no_text_does_not_take_the_list_with_it(get: Ask, folder: Path) -> None:
    (folder / "moth.safetensors").replace(os.fsdecode(os.fsencode(folder) + b"/moth\xff.safetensors"))
    answer = get("library")
    assert answer.status_code == 200, answer.text
    assert "moth?.safetensors" in {entry["file"] for entry in answer.json()["embeddings"]}


def test_one_odd_file_takes_nothing_from_the_others(get: Ask, post: Ask, folder: Path) -> None:
    """Its type of numbers is one that torch here does not have: the answer to every request was 500."""
    header = b'{"emb_params":{"dtype":"F4","shape":[2,6],"data_offsets":[0,6]}}'
    (folder / "four.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(6))
    if os.name != "nt":
        os.mkfifo(folder / "pipe.safetensors")
        os.mkfifo(folder / "four.preview.png")
    entries = {entry["name"]: entry for entry in get("library").json()["embeddings"]}
    assert entries.keys() == {"moth", "bee", "broken", "four"}
    assert "'F4'" in entries["four"]["fault"]
    assert get("library/file", file="four.safetensors").status_code == 200
    assert get("library/thumbnail", file="four.safetensors").status_code == 404
    refused = post("inspect", {"file": "four.safetensors"})
    assert (refused.status_code, "'F4'" in refused.json()["detail"]) == (422, True)
    assert post("inspect", {"file": "moth.safetensors"}).status_code == 200
    assert post("merge", {"expression": "'moth' + 'bee'", "name": "both"}).status_code == 201
    assert post("merge", {"expression": "'moth' + 'four'", "name": "more"}).status_code in (201, 422)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_are_shown_without_signs_that_turn_them_round_and_files_keep_theirs(get: Ask, folder: Path) -> None:
    for name in ("gpj\u202eexe.pt", "is\u2066o.pt", "esc\x1b[31m.pt", os.fsdecode(b"half\xff.pt")):
        (folder / name).write_bytes(b"junk")
    listed = get("library").json()["embeddings"]
    assert {"gpj?exe", "is?o", "esc?[31m", "half?"} <= {entry["name"] for entry in listed}
    assert "gpj\u202eexe.pt" in {entry["file"] for entry in listed}, "other requests take it"
    told = get("library/file", file="none\u202e.pt").json()
    assert "\u202e" not in told["detail"] + told["faults"][0]["message"]


def test_a_recipe_that_is_no_json_is_answered_all_the_same(get: Ask, folder: Path) -> None:
    deep = '{"source": "conversion", "recipe": ' * 700 + "{}" + "}" * 700
    for number, recipe in enumerate([deep, '{"rate": NaN, "more": [Infinity, 1e999]}', "[" * 5000]):
        facts = {"ti_lab.format": "1", "recipe": recipe}
        save_file({"emb_params": torch.zeros(1, 6)}, folder / f"odd{number}.safetensors", facts)
        answer = get("library/file", file=f"odd{number}.safetensors")
        assert answer.status_code == 200
        assert answer.json()["recipe_full"] == ({"rate": None, "more": [None, None]} if number == 1 else {})
    assert get("library").status_code == 200
