"""A user would lose: originals, captions, transparency, the right way up, and what lies in the output folder already."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lib_ti.config.dataset import DatasetConfig
from lib_ti.config.options import build_config
from lib_ti.dataset.caption import find_caption
from lib_ti.dataset.prepare import Helpers, Report, prepare_pictures
from lib_ti.errors import InvalidConfig

Prepare = Callable[..., Report]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A wide one with a caption, a small one turned by EXIF, a half clear one."""
    folder = tmp_path / "in"
    folder.mkdir()
    wide = Image.new("RGB", (400, 100), "red")
    wide.paste("blue", (200, 0, 400, 100))
    wide.save(folder / "a wide one.png")
    (folder / "a wide one.txt").write_text("tag, other tag")
    turned = Image.new("RGB", (80, 64), "green")
    turned.paste("white", (0, 0, 80, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter
    turned.save(folder / "7 turned.jpg", exif=exif, quality=100)
    clear = Image.new("RGBA", (64, 64), (10, 20, 30, 255))
    clear.paste((0, 0, 0, 0), (0, 0, 32, 64))
    clear.save(folder / "clear.png")
    return folder


@pytest.fixture
def prepare(source: Path, tmp_path: Path) -> Prepare:
    """Keyword arguments by dotted path with __ for the dot."""

    def run(helpers: Helpers | None = None, stop_after: int = 99, **changes: Any) -> Report:
        values = {"folders.source": str(source), "folders.destination": str(tmp_path / "out"), "size.width": 64}
        values |= {"size.height": 64} | {key.replace("__", "."): value for key, value in changes.items()}
        seen: list[str] = []
        config = build_config(DatasetConfig, values)
        return prepare_pictures(
            config, 512, helpers or Helpers(), lambda report, name: seen.append(name), lambda: len(seen) >= stop_after
        )

    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_originals_are_untouched_and_unchanged_pictures_are_copied_byte_for_byte(
    prepare: Prepare, source: Path, tmp_path: Path
) -> None:
    before = contents(source)
    report = prepare()
    assert contents(source) == before
    made = contents(tmp_path / "out")
    assert made["00000-0-turned.jpg"] == before["7 turned.jpg"]
    assert made["00001-0-a wide one.png"] == before["a wide one.png"]
    assert made["00001-0-a wide one.txt"] == b"tag, other tag"
    assert (report.done, report.total, report.pictures, report.captions) == (3, 3, 3, 1)


def test_masks_that_are_left_out_are_told(prepare: Prepare, source: Path, tmp_path: Path) -> None:
    Image.new("L", (64, 64)).save(source / "clear-masklabel.png")
    report = prepare()
    assert report.warnings == ["Mask files are left out (1): they are not cut and flipped with their pictures."]
    assert not [name for name in contents(tmp_path / "out") if "mask" in name]


def test_captions_from_names_stay_the_same(prepare: Prepare, source: Path, tmp_path: Path) -> None:
    prepare(flip__horizontal=True)
    out = {find_caption(path) for path in (tmp_path / "out").iterdir() if path.suffix != ".txt"}
    assert out == {"turned", "tag, other tag", "clear"}


def test_split_crop_and_flip_keep_transparency_and_the_right_way_up(prepare: Prepare, tmp_path: Path) -> None:
    report = prepare(split__on=True, focal__on=True, flip__horizontal=True, flip__vertical=True, flip__both=True)
    out = tmp_path / "out"
    names = sorted(path.name for path in out.glob("*.png"))
    assert len([name for name in names if "wide" in name]) == 5 * 4
    assert report.pictures == len(names) == 5 * 4 + 2 * 4
    assert len(list(out.glob("*.txt"))) == 5 * 4
    images = {name: Image.open(out / name) for name in names}
    assert {image.size for image in images.values()} == {(64, 64)}
    clear = [images[f"00002-{piece}-clear.png"] for piece in range(4)]
    assert [image.getpixel((3, 3))[3] for image in clear] == [0, 255, 0, 255]
    turned = images["00000-0-turned.png"]
    assert turned.getpixel((60, 32))[0] > 200  # the white half stands at the right
    assert turned.getpixel((3, 32))[0] < 60
    assert turned.getexif().get(0x0112, 1) == 1


def test_auto_sized_crop_leaves_what_has_no_size_and_says_so(prepare: Prepare, tmp_path: Path) -> None:
    report = prepare(sized__on=True, sized__min_side=64, sized__max_side=128, sized__threshold=0.3)
    assert Image.open(tmp_path / "out" / "00002-0-clear.png").size == (128, 128)
    assert Image.open(tmp_path / "out" / "00001-0-a wide one.png").size == (400, 100)
    assert report.warnings == ["00001-a wide one keeps its 400x100: no size within the bounds is near enough."]


def test_faces_lead_the_focal_crop_where_the_host_can_find_them(prepare: Prepare, tmp_path: Path) -> None:
    asked: list[Image.Image] = []

    def find_faces(image: Image.Image) -> list[tuple[float, float]]:
        asked.append(image)
        return [(250, 32)]

    report = prepare(Helpers(find_faces=find_faces), focal__on=True, focal__entropy_weight=0, focal__edges_weight=0)
    assert Image.open(tmp_path / "out" / "00001-0-a wide one.png").getpixel((32, 32)) == (0, 0, 255)
    assert {image.mode for image in asked} == {"RGB"}
    assert report.warnings == []
    for finder in (None, lambda image: None):
        report = prepare(Helpers(find_faces=finder), focal__on=True, folders__overwrite=True)
        assert report.warnings == ["Faces are not looked for: nothing here can find them."]


def test_debug_pictures_do_not_become_training_pictures(prepare: Prepare, tmp_path: Path) -> None:
    from lib_ti.dataset.folder import list_pictures

    prepare(focal__on=True, focal__debug=True)
    assert (tmp_path / "out" / "debug" / "00001-a wide one-0.png").is_file()
    assert len(list_pictures(tmp_path / "out")) == 3


@pytest.mark.parametrize(
    ("action", "wanted"),
    [
        ("keep", "tag, other tag"),
        ("ignore", "mine, a wide one, a dog"),
        ("prepend", "tag, other tag, mine, a wide one, a dog"),
        ("append", "mine, a wide one, a dog, tag, other tag"),
    ],
)
def test_existing_captions_are_kept_replaced_or_joined(
    prepare: Prepare, tmp_path: Path, action: str, wanted: str
) -> None:
    asked: list[str] = []

    def caption(image: Image.Image, name: str) -> str:
        asked.append(name)
        return " a dog "

    helpers = Helpers(("BLIP",), caption)
    report = prepare(helpers, captions__by="file names, BLIP", captions__words="mine", captions__existing=action)
    assert (tmp_path / "out" / "00001-0-a wide one.txt").read_text() == wanted
    assert (tmp_path / "out" / "00002-0-clear.txt").read_text() == "mine, clear, a dog"
    assert report.captions == 3
    assert len(asked) == (2 if action == "keep" else 3)  # nobody waits for words that are not used


def test_captions_alone_go_beside_the_pictures(prepare: Prepare, source: Path) -> None:
    before = contents(source)
    report = prepare(folders__destination="", captions__by="file names")
    added = {name: data for name, data in contents(source).items() if before.get(name) != data}
    assert added == {"7 turned.txt": b"turned", "clear.txt": b"clear"}
    assert (report.pictures, report.captions) == (0, 2)


def test_all_that_cannot_be_is_told_at_once_and_nothing_is_written(
    prepare: Prepare, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.png").write_bytes(b"mine")
    with pytest.raises(InvalidConfig) as told:
        prepare(captions__by="BLIP", folders__source=str(tmp_path / "nowhere"))
    assert [fault.where for fault in told.value.faults] == ["captions.by", "folders.source", "folders.destination"]
    assert contents(out) == {"mine.png": b"mine"}
    prepare(folders__overwrite=True)
    assert (out / "mine.png").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"folders__destination": ""}, "captions.by"),
        ({"folders__destination": "", "split__on": True}, "folders.destination"),
        ({"sized__on": True, "sized__min_side": 900}, "sized.max_side"),
        (
            {"focal__on": True, "focal__face_weight": 0, "focal__entropy_weight": 0, "focal__edges_weight": 0},
            "focal.edges_weight",
        ),
    ],
)
def test_settings_that_make_no_sense_are_told_by_field(prepare: Prepare, changes: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidConfig) as told:
        prepare(**changes)
    assert [fault.where for fault in told.value.faults] == [where]


def test_the_input_folder_is_never_the_output(prepare: Prepare, source: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="is the input directory"):
        prepare(folders__destination=str(tmp_path / "in" / ".." / "in"), folders__overwrite=True)


def test_a_broken_picture_is_left_out_and_told(prepare: Prepare, source: Path, tmp_path: Path) -> None:
    (source / "broken.png").write_bytes(b"no picture")
    report = prepare()
    assert (report.done, report.pictures) == (4, 3)
    assert "broken.png is left out: it is not a picture" in report.warnings[0]


def test_an_output_folder_that_cannot_be_is_told_by_field(prepare: Prepare) -> None:
    with pytest.raises(InvalidConfig) as told:
        prepare(folders__destination="x" * 300)
    assert [fault.where for fault in told.value.faults] == ["folders.destination"]


def test_names_as_long_as_they_can_be_do_not_end_the_preparation(
    prepare: Prepare, source: Path, tmp_path: Path
) -> None:
    (source / "clear.png").rename(source / f"{'é' * 125}.png")
    report = prepare(flip__horizontal=True)
    assert report.pictures == 6
    assert max(len(os.fsencode(name)) for name in contents(tmp_path / "out")) <= 255


def test_stopping_leaves_whole_pictures_and_a_second_run_finishes(prepare: Prepare, tmp_path: Path) -> None:
    report = prepare(stop_after=1)
    assert (report.done, report.total) == (1, 3)
    stopped = contents(tmp_path / "out")
    assert len(stopped) == 1
    prepare(folders__overwrite=True)
    assert contents(tmp_path / "out").items() > stopped.items()


def test_kohya_folders_keep_their_repeats_and_words(prepare: Prepare, tmp_path: Path) -> None:
    from lib_ti.dataset.folder import list_pictures

    inner = tmp_path / "kohya" / "5_sks dog"
    inner.mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(inner / "123.png")
    prepare(folders__source=str(tmp_path / "kohya"), flip__horizontal=True)
    files = list_pictures(tmp_path / "out")
    assert [(file.name, file.repeats) for file in files] == [
        ("5_sks dog/00000-0-sks dog.png", 5),
        ("5_sks dog/00000-1-sks dog.png", 5),
    ]
