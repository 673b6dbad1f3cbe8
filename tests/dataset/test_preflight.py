"""Prompts without the placeholder are never trained, and what may not be meant is said beforehand."""

from pathlib import Path

import pytest

from lib_ti.config.train import DataPart
from lib_ti.dataset.bucket import Size, cover
from lib_ti.dataset.dataset import Picture
from lib_ti.dataset.preflight import advice, mentions, placeholder_faults
from lib_ti.dataset.template import Template
from lib_ti.errors import Fault

CAPTIONS_ALONE = Template("own", ("a [name]", "[filewords]"))


def picture(name: str, caption: str = "boat", size: Size = (512, 512), has_alpha: bool = False) -> Picture:
    return Picture(Path(name), name, caption, 1, cover(size, (512, 512)), has_alpha)


def check(template: Template, *captions: str, data: DataPart | None = None) -> list[Fault]:
    pictures = [picture(f"{number}.png", caption) for number, caption in enumerate(captions)]
    return placeholder_faults(template, pictures, "foo", data or DataPart())


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
    assert mentions("foo", prompt) is there


def test_a_name_with_signs_is_taken_literally() -> None:
    assert mentions("a.b+", "an a.b+ here")
    assert not mentions("a.b+", "an axb here")


def said(*pictures: Picture, line: str = "a [name], [filewords]", data: DataPart | None = None) -> tuple[str, ...]:
    return advice(Template("own", (line,)), pictures, "foo", data or DataPart())


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
            picture("a.png", "my [name]"),
            "a.png is captioned with the placeholder too, so that foo comes twice in a prompt.",
        ),
    ],
)
def test_what_may_not_be_meant_is_said(odd: Picture, sentence: str) -> None:
    assert said(odd, picture("b.png")) == (sentence,)


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
