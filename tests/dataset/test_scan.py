"""The scan: a user mends everything in one go; what passes can be trained to the end; what may not be meant is said beforehand."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from lib_ti.config.train import DataPart
from lib_ti.dataset.bucket import Size, cover
from lib_ti.dataset.dataset import Dataset, Picture, Source, buckets, sample_prompt
from lib_ti.dataset.picture import load_picture
from lib_ti.dataset.scan import advice, called, list_dataset, placeholder_faults, scan_dataset
from lib_ti.dataset.template import Template
from lib_ti.errors import Fault, InvalidDataset

DEMO = Path(__file__).parents[2] / "lib_ti" / "demo" / "pictures"


def save(folder: Path, name: str, size: tuple[int, int] = (512, 512), mode: str = "RGB") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(folder / name)


def scan(data: DataPart, name: str = "foo", size: int = 512) -> Dataset:
    return scan_dataset(data, name, size, 8)


def faults(data: DataPart, name: str = "foo") -> dict[str, str]:
    with pytest.raises(InvalidDataset) as caught:
        scan(data, name)
    return {fault.where: fault.message for fault in caught.value.faults}


@pytest.fixture
def data(tmp_path: Path) -> DataPart:
    """Two good pictures in a folder, one with a caption."""
    folder = tmp_path / "pictures"
    save(folder, "1-red boat.png")
    save(folder, "2.jpg", (1200, 800))
    (folder / "2.txt").write_text("a boat, at sea", encoding="utf-8")
    return DataPart(folder=str(folder), template="subject_filewords")


def test_a_good_folder_is_understood(data: DataPart) -> None:
    dataset = scan(data)
    assert [(p.name, p.caption, p.repeats, p.fit.target) for p in dataset.pictures] == [
        ("1-red boat.png", "red boat", 1, (512, 512)),
        ("2.jpg", "a boat, at sea", 1, (640, 384)),
    ]
    assert dataset.sources[0].template.name == "subject_filewords"
    assert dataset.warnings == ()
    assert dataset.samples_per_epoch == 2
    for picture in dataset.pictures:
        assert load_picture(picture.path, picture.fit).pixels.shape[::-1][:2] == picture.fit.target


def test_the_demo_pictures_train_at_the_demo_models_size() -> None:
    dataset = scan(DataPart(folder=str(DEMO), template="subject"), size=Image.open(DEMO / "01.png").width)
    assert dataset.warnings == ()
    assert len(buckets(dataset)) == 1


def test_the_folder_may_be_pasted_with_quotes(data: DataPart) -> None:
    assert len(scan(replace(data, folder=f' "{data.folder}" ')).pictures) == 2


def test_every_fault_is_reported_at_once_by_file(data: DataPart) -> None:
    folder = Path(data.folder)
    (folder / "broken.png").write_bytes((folder / "2.jpg").read_bytes()[:300])
    (folder / "page.jpg").write_text("<html>")
    save(folder, "small.png", (100, 100))
    save(folder, "clear.png", mode="RGBA")
    Image.new("L", (512, 512)).save(
        folder / "moving.gif", save_all=True, append_images=[Image.new("L", (512, 512), 9)], duration=9
    )
    save(folder, "20_x/odd caption.png", (90, 90))
    (folder / "20_x" / "odd caption.txt").write_bytes(b"\xff\xff")
    found = faults(replace(data, template="subjekt", alpha_weight=True, word_regex="(", width=510, height=512))
    assert found["data.template"] == "there is no template 'subjekt'"
    assert found["data.width"] == "the model cannot use 510 pixels"
    assert "is not a regular expression" in found["data.word_regex"]
    assert "cannot be decoded" in found["broken.png"]
    assert "not a picture" in found["page.jpg"]
    assert found["small.png"] == "is too small: 100x100 pixels for training at 510x512"
    assert "wholly transparent" in found["clear.png"]
    assert "animation of 2 frames" in found["moving.gif"]
    assert "not UTF-8" in found["20_x/odd caption.txt"]
    assert "too small" in found["20_x/odd caption.png"]
    assert len(found) == 10


def test_a_word_regex_that_would_never_end_is_told_before_any_picture_is_opened(
    data: DataPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib_ti.dataset.caption.REGEX_SECONDS", 0.5)
    save(Path(data.folder), "a" * 100 + "!.png", (9, 9))
    found = faults(replace(data, word_regex="(a|aa)+$"))
    assert "takes more than" in found["data.word_regex"]
    assert set(found) == {"data.word_regex", "a" * 100 + "!.png"}


def test_a_word_regex_reads_names_and_neither_class_words_nor_caption_files(data: DataPart) -> None:
    folder = Path(data.folder)
    save(folder, "2_sks boat/blue.png")
    captions = {
        Path(one.name).name: one.caption for one in scan(replace(data, word_regex="b.", join_words="+")).pictures
    }
    assert captions["1-red boat.png"] == "bo"
    assert captions["blue.png"] == "sks boat"
    assert captions["2.jpg"] == "a boat, at sea"


def test_a_bad_template_does_not_hide_a_missing_folder(tmp_path: Path) -> None:
    assert set(faults(DataPart(folder=str(tmp_path / "gone"), template="gone"))) == {"data.folder", "data.template"}


@pytest.mark.parametrize("fit", ["buckets", "crop", "squash", "variable"])
@pytest.mark.parametrize(("side", "refused"), [(127, True), (128, False)])
def test_too_small_is_below_a_quarter_whatever_the_fit(tmp_path: Path, fit: str, side: int, refused: bool) -> None:
    save(tmp_path, "a.png", (side, side))
    data = DataPart(folder=str(tmp_path), template="none", fit=fit)
    if refused:
        assert "too small" in faults(data)["a.png"]
    else:
        assert len(scan(data).pictures) == 1


def test_a_clear_picture_is_fine_where_alpha_is_no_weight(data: DataPart) -> None:
    save(Path(data.folder), "clear.png", mode="RGBA")
    (found,) = (p for p in scan(data).pictures if p.name == "clear.png")
    assert found.has_alpha


def test_a_picture_opaque_only_where_it_is_cut_off_teaches_nothing(tmp_path: Path) -> None:
    image = Image.new("RGBA", (1024, 512), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 100, 512))
    image.save(tmp_path / "a.png")
    data = DataPart(folder=str(tmp_path), template="none", alpha_weight=True, fit="crop")
    assert "wholly transparent where it is used" in faults(data)["a.png"]
    assert len(scan(replace(data, fit="squash")).pictures) == 1


def test_kohya_folders_repeat_and_caption(tmp_path: Path) -> None:
    save(tmp_path, "10_sks boat/IMG_1.png")
    save(tmp_path, "10_sks boat/IMG_2.png")
    (tmp_path / "10_sks boat" / "IMG_2.txt").write_text("at sea")
    save(tmp_path, "plain.png")
    dataset = scan(DataPart(folder=str(tmp_path), template="subject_filewords"))
    assert [(p.caption, p.repeats) for p in dataset.pictures] == [("sks boat", 10), ("at sea", 10), ("plain", 1)]
    assert dataset.samples_per_epoch == 21


@pytest.fixture
def several(data: DataPart, tmp_path: Path) -> DataPart:
    """The two pictures, and two further folders with settings of their own."""
    save(tmp_path / "more", "a.png")
    save(tmp_path / "5_sks cat", "b.png", (800, 600))
    lines = f"{tmp_path / 'more'}; repeats=3; template=none; caption_prefix=x\n{tmp_path / '5_sks cat'}; fit=squash"
    return replace(data, more=lines)


def test_several_folders_are_one_data_set_each_with_its_own_settings(several: DataPart) -> None:
    dataset = scan(several)
    assert [(p.name, p.repeats, p.fit.target, dataset.source_of(p).template.name) for p in dataset.pictures] == [
        ("1-red boat.png", 1, (512, 512), "subject_filewords"),
        ("2.jpg", 1, (640, 384), "subject_filewords"),
        ("more/a.png", 3, (512, 512), "none"),
        ("5_sks cat/b.png", 5, (512, 512), "subject_filewords"),
    ]
    assert dataset.samples_per_epoch == 10
    prompts = {sample_prompt(dataset, "foo", 1, n) for n in range(200)}
    assert any("sks cat" in prompt for prompt in prompts)
    assert {prompt for prompt in prompts if "," not in prompt and " of " not in prompt} <= {"foo"}  # of none
    seen: list[tuple[int, int]] = []
    scan_dataset(several, "foo", 512, 8, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 4) for n in range(1, 5)]


def test_faults_and_advice_of_a_further_folder_say_which(several: DataPart, tmp_path: Path) -> None:
    (tmp_path / "more" / "odd.png").write_bytes(b"no picture")
    lines = f"{several.more}\n{tmp_path / 'gone'}; template=nothing; repeats=900\n{tmp_path / '5_sks cat'}; repeats=900"
    found = list_dataset(replace(several, more=lines), "foo", 512, 8).faults
    assert {fault.where for fault in found} == {"data.more"}
    messages = " ".join(fault.message for fault in found)
    for part in (
        "gone, template: there is no template",
        "gone, folder: there is no folder",
        "5_sks cat, repeats: more",
    ):
        assert part in messages
    assert "not a picture" in faults(several)["more/odd.png"]
    (tmp_path / "more" / "odd.png").unlink()
    save(tmp_path / "more", "small.png", (300, 300))
    assert scan(several).warnings == ("more/small.png is smaller than the training size and will be enlarged.",)


def test_the_fingerprint_of_several_folders_tells_which_picture_is_where(several: DataPart) -> None:
    alone = replace(several, more="")
    seen = [fingerprint(alone), fingerprint(several), fingerprint(replace(several, more=several.more.split("\n")[0]))]
    assert len(set(seen)) == 3


def test_progress_counts_every_picture(data: DataPart) -> None:
    seen: list[tuple[int, int]] = []
    scan_dataset(data, "foo", 512, 8, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_the_width_and_height_asked_for_are_used(data: DataPart) -> None:
    dataset = scan(replace(data, width=384, height=640, fit="crop"))
    assert buckets(dataset) == {(384, 640): 2}


def test_buckets_are_counted_for_the_plan(data: DataPart) -> None:
    save(Path(data.folder), "3.png", (600, 400))
    assert buckets(scan(data)) == {(640, 384): 2, (512, 512): 1}


def fingerprint(data: DataPart) -> str:
    return scan(data).fingerprint


def test_the_fingerprint_survives_a_move_of_the_folder(data: DataPart, tmp_path: Path) -> None:
    before = fingerprint(data)
    Path(data.folder).rename(tmp_path / "elsewhere")
    assert fingerprint(replace(data, folder=str(tmp_path / "elsewhere"))) == before


def test_the_fingerprint_tells_of_any_change(data: DataPart) -> None:
    folder = Path(data.folder)
    seen = [fingerprint(data), fingerprint(replace(data, template="subject")), fingerprint(replace(data, fit="crop"))]
    (folder / "2.txt").write_text("a boat, at anchor", encoding="utf-8")
    seen.append(fingerprint(data))
    save(folder, "2.jpg", (1200, 801))
    seen.append(fingerprint(data))
    save(folder, "3.png")
    seen.append(fingerprint(data))
    (folder / "3.png").rename(folder / "0.png")
    seen.append(fingerprint(data))
    assert len(set(seen)) == len(seen)


def test_scanning_starts_without_numpy_or_torch() -> None:
    """The preflight of a command line answers at once."""
    code = (
        "import sys, lib_ti.dataset.scan, lib_ti.dataset.dataset; sys.exit(bool({'numpy', 'torch'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=DEMO.parents[2], check=True)


CAPTIONS_ALONE = Template("own", ("a [name]", "[filewords]"))


def picture(name: str, caption: str = "boat", size: Size = (512, 512), has_alpha: bool = False) -> Picture:
    return Picture(Path(name), name, caption, 1, cover(size, (512, 512)), has_alpha)


def check(template: Template, *captions: str, data: DataPart | None = None) -> list[Fault]:
    pictures = [picture(f"{number}.png", caption) for number, caption in enumerate(captions)]
    return placeholder_faults(Source(template, data or DataPart()), pictures, "foo")


def test_a_template_with_the_name_needs_nothing_of_the_captions() -> None:
    assert check(Template("own", ("a [name]", "[filewords] [name]")), "boat", "") == []


def test_captions_may_bring_the_placeholder_by_either_name() -> None:
    assert check(CAPTIONS_ALONE, "[name] at sea", "a boat, foo") == []


def test_the_captions_that_lack_it_are_named() -> None:
    (fault,) = check(CAPTIONS_ALONE, "[name] at sea", "a boat")
    assert fault.where == "1.png"
    assert "'foo'" in fault.message
    assert "'[filewords]'" in fault.message


def test_where_no_caption_has_it_the_template_is_to_blame() -> None:
    (fault,) = check(CAPTIONS_ALONE, "sea", "a boat")
    assert fault.where == "data.template"


def test_a_placeholder_that_a_wildcard_may_leave_out_is_not_sure() -> None:
    wild = DataPart(wildcards=True)
    assert check(CAPTIONS_ALONE, "{[name]|a foo} at sea", "{a|b} [name]", data=wild) == []
    (fault,) = check(CAPTIONS_ALONE, "{[name]|a boat} at sea", "[name]", data=wild)
    assert fault.where == "0.png"
    (fault,) = check(Template("own", ("a {[name]|boat}",)), "x", data=wild)
    assert fault.where == "data.template"
    assert check(CAPTIONS_ALONE, "a boat", data=DataPart(caption_prefix="[name]")) == []


def test_a_brace_without_its_partner_is_told_by_its_file_with_a_caret(data: DataPart, tmp_path: Path) -> None:
    (Path(data.folder) / "2.txt").write_text("a {red|blue boat", encoding="utf-8")
    save(Path(data.folder), "3 {odd.png")
    own = tmp_path / "own.txt"
    own.write_text("[name] {a|b", encoding="utf-8")
    wild = replace(data, wildcards=True, template=str(own), caption_prefix="}")
    found = faults(wild)
    assert found.keys() == {"2.txt", "3 {odd.png", "data.template", "data.caption_prefix"}
    assert found["2.txt"].splitlines()[:3] == ["This brace is never closed.", "  a {red|blue boat", "    ^"]
    assert len(scan(replace(wild, wildcards=False)).pictures) == 3


def test_onetrainers_word_for_the_name_stands_for_it_in_captions_and_templates(data: DataPart, tmp_path: Path) -> None:
    (Path(data.folder) / "2.txt").write_text("a boat like <embedding>", encoding="utf-8")
    own = tmp_path / "own.txt"
    own.write_text("<embedding>, [filewords]", encoding="utf-8")
    dataset = scan(replace(data, template=str(own)))
    assert dataset.pictures[1].caption == "a boat like [name]"
    assert {sample_prompt(dataset, "foo", 1, n) for n in range(9)} == {"foo, red boat", "foo, a boat like foo"}


def test_kohyas_caption_files_are_read_and_the_text_file_wins(data: DataPart) -> None:
    folder = Path(data.folder)
    (folder / "1-red boat.caption").write_text("of kohya", encoding="utf-8")
    (folder / "2.caption").write_text("of kohya too", encoding="utf-8")
    dataset = scan(data)
    assert [picture.caption for picture in dataset.pictures] == ["of kohya", "a boat, at sea"]
    assert dataset.warnings == ("2.jpg is captioned in a .txt and a .caption file, of which the .txt is taken.",)


def test_a_placeholder_that_tag_dropout_may_take_is_not_sure() -> None:
    captions = "boat, [name]", "[name], boat"
    dropout = {"tag_dropout": 0.1}
    assert len(check(CAPTIONS_ALONE, *captions, data=DataPart(**dropout))) == 1  # of all: the template's
    (fault,) = check(CAPTIONS_ALONE, *captions, data=DataPart(**dropout, keep_tags=1))
    assert fault.where == "0.png"
    assert check(CAPTIONS_ALONE, *captions, data=DataPart(**dropout, keep_tags=2)) == []


def test_no_pictures_are_no_fault_of_the_template() -> None:
    assert check(CAPTIONS_ALONE) == []


@pytest.mark.parametrize(
    ("prompt", "there"),
    [("a foo.", True), ("foo", True), ("food", False), ("bafoo", False), ("my-foo, x", True), ("", False)],
)
def test_the_placeholder_must_stand_alone(prompt: str, there: bool) -> None:
    assert bool(called(prompt, ["foo"])) is there


def test_a_name_with_signs_is_taken_literally() -> None:
    assert called("an a.b+ here", ["a.b+"])
    assert not called("an axb here", ["a.b+"])


def said(*pictures: Picture, line: str = "a [name], [filewords]", data: DataPart | None = None) -> tuple[str, ...]:
    return advice(Source(Template("own", (line,)), data or DataPart()), pictures, "foo")


def test_good_pictures_need_no_advice() -> None:
    assert said(picture("a.png")) == ()


@pytest.mark.parametrize(
    ("odd", "sentence"),
    [
        (picture("a.png", size=(400, 600)), "a.png is smaller than the training size and will be enlarged."),
        (picture("a.png", size=(2000, 600)), "a.png is cut by more than a third to fit the training shape."),
        (picture("a.png", has_alpha=True), "a.png is partly transparent and will be shown on white."),
        (picture("a.png", ""), "a.png is without words, so that [filewords] is empty."),
        (
            picture("a.png", "{red|blue}"),
            "a.png is captioned with {...|...}, which is no choice: Wildcards is off.",
        ),
        (
            picture("a.png", "my [name]"),
            "a.png is captioned with the placeholder too, so that foo comes twice in a prompt.",
        ),
    ],
)
def test_what_may_not_be_meant_is_said(odd: Picture, sentence: str) -> None:
    assert said(odd, picture("b.png")) == (sentence,)


def test_wildcards_in_a_template_that_are_off_are_said() -> None:
    assert said(picture("a.png"), line="a [name] {x|y}") == (
        "The template holds {...|...}, which is no choice: Wildcards is off.",
    )
    assert said(picture("a.png"), line="a [name] {x|y}", data=DataPart(wildcards=True)) == ()


def test_crops_of_pictures_that_fit_are_said_to_change_nothing() -> None:
    (sentence,) = said(picture("a.png"), picture("b.png"), data=DataPart(crops=4))
    assert sentence == "No picture is cut to fit the training shape: Random crops changes nothing."
    assert said(picture("a.png"), picture("b.png", size=(600, 512)), data=DataPart(crops=4)) == ()


def test_many_pictures_make_one_sentence() -> None:
    (sentence,) = said(*(picture(f"{number}.png", "") for number in range(12)))
    assert sentence.startswith("0.png, 1.png, 2.png and 9 more are without words")


def test_pictures_that_share_a_caption_file_are_named() -> None:
    (sentence,) = said(picture("a.jpg"), picture("a.png"), picture("b.png"), picture("10_x/a.png"))
    assert sentence == "a.jpg, a.png are of one name but for the ending, and share one caption file."


def test_captions_that_no_prompt_uses_matter_to_nobody() -> None:
    assert said(picture("a.png", ""), picture("b.png", "foo"), line="a [name]") == ()


def test_alpha_as_weight_without_alpha_is_said() -> None:
    assert "No picture has a transparent part" in said(picture("a.png"), data=DataPart(alpha_weight=True))[0]
    assert said(picture("a.png", has_alpha=True), data=DataPart(alpha_weight=True)) == ()
