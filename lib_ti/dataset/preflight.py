"""What a data set's captions and fits mean for the training: prompts that would lack the placeholder, and things to know."""

import re
from collections import Counter
from collections.abc import Sequence

from lib_ti.config.train import DataPart
from lib_ti.dataset.caption import split_tags
from lib_ti.dataset.dataset import Picture
from lib_ti.dataset.template import FIELD, Template, compose_prompt
from lib_ti.errors import Fault


def placeholder_faults(template: Template, pictures: Sequence[Picture], name: str, data: DataPart) -> list[Fault]:
    """Prompts that would not hold `name`: possible only in lines without [name], whose captions must bring it."""
    lines = [line for line in template.lines if "[name]" not in line]
    lost = [
        picture
        for picture in pictures
        if any(not mentions(name, compose_prompt(line, name, _sure_words(picture.caption, data))) for line in lines)
    ]
    if not lost:
        return []
    if len(lost) == len(pictures):
        return [
            Fault(FIELD, f"the prompt {lines[0]!r} has no [name], nor has any caption", "put [name] into the template")
        ]
    message = f"the caption does not surely hold {name!r}, nor does the template's prompt {lines[0]!r}"
    return [Fault(picture.name, message, "put [name] into the caption or the template") for picture in lost]


def advice(template: Template, pictures: Sequence[Picture], name: str, data: DataPart) -> tuple[str, ...]:
    """Sentences on what is allowed but may not be meant."""
    small = [picture for picture in pictures if picture.fit.enlargement > 1]
    cut = [picture for picture in pictures if picture.fit.share_kept < 2 / 3]
    clear = [picture for picture in pictures if picture.has_alpha]
    bare = [picture for picture in pictures if not picture.caption]
    stems = Counter(picture.path.with_suffix("") for picture in pictures)
    twins = [picture for picture in pictures if stems[picture.path.with_suffix("")] > 1]
    twice = [picture for picture in pictures if mentions(name, picture.caption.replace("[name]", name))]
    filewords = any("[filewords]" in line for line in template.lines)
    both = any("[filewords]" in line and "[name]" in line for line in template.lines)
    found = [
        (small, "smaller than the training size and will be enlarged"),
        (cut, "cut by more than a third to fit the training shape"),
        (clear if not data.alpha_weight else [], "partly transparent and will be shown on white"),
        (twins, "of one name but for the ending, and share one caption file"),
        (bare if filewords else [], "without words, so that [filewords] is empty"),
        (twice if both else [], f"captioned with the placeholder too, so that {name} comes twice in a prompt"),
    ]
    sentences = [f"{_listed(who)} {what}." for who, what in found if who]
    if data.alpha_weight and not clear:
        sentences.append("No picture has a transparent part: using the alpha channel as loss weight changes nothing.")
    return tuple(sentences)


def mentions(name: str, prompt: str) -> bool:
    """Whether `name` stands in `prompt` as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", prompt) is not None


def _sure_words(caption: str, data: DataPart) -> str:
    return ", ".join(split_tags(caption)[: data.keep_tags]) if data.tag_dropout else caption


def _listed(pictures: Sequence[Picture]) -> str:
    names = ", ".join(picture.name for picture in pictures[:3])
    more = f" and {len(pictures) - 3} more" if len(pictures) > 3 else ""
    return f"{names}{more} {'is' if len(pictures) == 1 else 'are'}"
