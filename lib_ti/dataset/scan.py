"""A folder of training pictures, validated: every fault of every file is found at once, before any model work."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from lib_ti.config.train import DataPart
from lib_ti.dataset.bucket import Fit, bucket_step, fit_picture
from lib_ti.dataset.caption import caption_files, caption_from_name, find_caption, pick_words, split_tags
from lib_ti.dataset.dataset import Dataset, Picture, Source, fingerprint
from lib_ti.dataset.folder import PictureFile, list_pictures, typed_path
from lib_ti.dataset.mask import find_masks
from lib_ti.dataset.picture import load_image, load_mask, place_weights
from lib_ti.dataset.template import FIELD, Template, find_template, load_template, plain_marks
from lib_ti.dataset.wildcards import expand, has_wildcards, longest
from lib_ti.errors import Fault, InvalidDataset, InvalidText

# Enlarged more than this, a picture holds less than a sixteenth of the detail that the model would learn from it.
MAX_ENLARGEMENT = 4.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Listing:
    """What is known of a data set before a picture is opened, for the training of `name`; `faults` is all that is wrong so far.

    `model_size` and `pixel_multiple` are the model's native_size and pixel_multiple. For each of `files`, `words` has those that its
    name gives, and `masks` its mask; `lost` are the names of masks that belong to none.
    """

    data: DataPart
    name: str
    model_size: int
    pixel_multiple: int
    template: Template | None
    files: tuple[PictureFile, ...]
    words: tuple[str, ...]
    masks: tuple[Path | None, ...]
    lost: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    def validate(self) -> None:
        """Raises InvalidDataset with all faults."""
        if self.faults:
            raise InvalidDataset(self.faults)


def scan_dataset(
    data: DataPart,
    name: str,
    model_size: int,
    pixel_multiple: int,
    template_folders: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Dataset:
    """Read everything about the data set but the pixels, as `list_dataset` and then `scan_pictures` do."""
    return scan_pictures(list_dataset(data, name, model_size, pixel_multiple, template_folders), progress)


def list_dataset(
    data: DataPart, name: str, model_size: int, pixel_multiple: int, template_folders: Sequence[Path] = ()
) -> Listing:
    """Quick: no picture is opened. `template_folders` are looked through before our own."""
    faults = _side_faults(data, pixel_multiple)
    template: Template | None = None
    with _collect(faults):
        template = load_template(find_template(data.template, template_folders))
    if data.wildcards:
        lines = [(FIELD, line) for line in template.lines] if template else []
        for where, text in (
            *lines,
            ("data.caption_prefix", data.caption_prefix),
            ("data.caption_suffix", data.caption_suffix),
        ):
            with _collect(faults):
                _validate_braces(text, where)
    files: list[PictureFile] = []
    with _collect(faults):
        files = list_pictures(typed_path(data.folder))
    stems = [file.path.stem for file in files]
    words = list(map(caption_from_name, stems))
    if data.word_regex:
        with _collect(faults):
            words = pick_words(stems, data.word_regex, data.join_words)
    masks: list[Path | None] = [None] * len(files)
    lost: list[str] = []
    with _collect(faults):
        masks, lost = find_masks(files, data)
    listed = tuple(files), tuple(words), tuple(masks), tuple(lost), tuple(faults)
    return Listing(data, name, model_size, pixel_multiple, template, *listed)


def scan_pictures(listing: Listing, progress: Progress | None = None) -> Dataset:
    """Read each caption, and decode each picture once to see that it can be; `progress(done, total)` is called after each.

    Raises InvalidDataset with all faults: those of settings by their field, those of files by their name in the folder.
    """
    data, name, template, faults = listing.data, listing.name, listing.template, list(listing.faults)
    pictures = []
    for done, one in enumerate(zip(listing.files, listing.words, listing.masks, strict=True), 1):
        found = _scan_picture(listing, *one, faults)
        pictures += [found] if found else []
        if progress:
            progress(done, len(listing.files))
    if template and not any(fault.where.startswith("data.") for fault in faults):
        faults += placeholder_faults(Source(template, data), pictures, name)
    if faults or template is None:
        raise InvalidDataset(faults)
    source = Source(template, data)
    warnings = (*advice(source, pictures, name), *mask_advice(pictures, listing.lost))
    return Dataset(tuple(pictures), source, warnings, fingerprint(template, pictures))


def _scan_picture(
    listing: Listing, file: PictureFile, words: str, mask: Path | None, faults: list[Fault]
) -> Picture | None:
    """The picture, or None with its faults added to `faults`."""
    caption = found = None
    with _collect(faults, file):
        caption = plain_marks(find_caption(file.path, file.class_words or words))
        if listing.data.wildcards:
            _validate_braces(caption, str(next(iter(caption_files(file.path)), file.path)))
    with _collect(faults, file):
        found = _validate_picture(file.path, mask, listing)
    if caption is None or found is None:
        return None
    fit, has_alpha, crops = found
    return Picture(file.path, file.name, caption, file.repeats, fit, has_alpha, mask, crops)


def _validate_picture(path: Path, mask: Path | None, listing: Listing) -> tuple[Fit, bool, tuple[Fit, ...]]:
    """How the picture will be fitted, whether parts of it are transparent, and the crops to train on: those where any of it counts."""
    data = listing.data
    width, height = data.width or listing.model_size, data.height or listing.model_size
    image = load_image(path)
    fit = fit_picture(image.size, data.fit, width, height, bucket_step(listing.model_size, listing.pixel_multiple))
    missing = math.sqrt(width * height / math.prod(image.size)) if data.fit == "variable" else fit.enlargement
    if missing > MAX_ENLARGEMENT:
        message = "is too small: {}x{} pixels for training at {}x{}".format(*image.size, width, height)
        raise InvalidDataset([Fault(str(path), message, "use a larger copy or take it out of the folder")])
    drawn = load_mask(mask, image.size) if mask else None
    crops = [crop for crop in fit.crops(data.crops) if _counts(place_weights(image, crop, data.alpha_weight, drawn))]
    if not crops:
        message = "is wholly transparent where it is used, so nothing of it would be learned"
        hint = "make opaque in its alpha channel what is to be learned"
        if mask:
            message = f"counts nowhere where it is used, by {mask.name}, so nothing of it would be learned"
            hint = "make white in the mask what is to be learned"
        raise InvalidDataset([Fault(str(path), message, hint)])
    return fit, image.mode == "RGBA", tuple(crops)


def _counts(weights: Image.Image | None) -> bool:
    return weights is None or weights.getextrema()[1] != 0


def _validate_braces(text: str, where: str) -> None:
    try:
        expand(text, longest)
    except InvalidText as error:
        raise InvalidDataset([Fault(where, str(error))]) from None


def _side_faults(data: DataPart, pixel_multiple: int) -> list[Fault]:
    return [
        Fault(field, f"the model cannot use {side} pixels", f"give a multiple of {pixel_multiple}")
        for field, side in (("data.width", data.width), ("data.height", data.height))
        if side % pixel_multiple
    ]


@contextmanager
def _collect(faults: list[Fault], file: PictureFile | None = None) -> Iterator[None]:
    """Add the faults of an InvalidDataset to `faults`; those of a file, given by path, under its name in the data set."""
    try:
        yield
    except InvalidDataset as error:
        for fault in error.faults:
            where = fault.where if file is None else file.name.removesuffix(file.path.name) + Path(fault.where).name
            faults.append(replace(fault, where=where))


def placeholder_faults(source: Source, pictures: Sequence[Picture], name: str) -> list[Fault]:
    """Prompts that would not hold `name`: possible only in lines that do not surely have [name], whose captions must bring it."""

    def without(options: Sequence[str]) -> str:
        return min(options, key=lambda option: mentions(name, option.replace("[name]", name)))

    def sure_words(caption: str) -> str:
        data = source.data
        return ", ".join(split_tags(caption)[: data.keep_tags]) if data.tag_dropout else caption

    lines = [line for line in source.template.lines if source.data.wildcards or "[name]" not in line]
    lost = [
        picture
        for picture in pictures
        if any(not mentions(name, source.prompt(line, name, picture.caption, without, sure_words)) for line in lines)
    ]
    if not lost:
        return []
    if len(lost) == len(pictures):
        return [
            Fault(FIELD, f"the prompt {lines[0]!r} has no [name], nor has any caption", "put [name] into the template")
        ]
    message = f"the caption does not surely hold {name!r}, nor does the template's prompt {lines[0]!r}"
    return [Fault(picture.name, message, "put [name] into the caption or the template") for picture in lost]


def advice(source: Source, pictures: Sequence[Picture], name: str) -> tuple[str, ...]:
    """Sentences on what is allowed but may not be meant."""
    data, template = source.data, source.template
    small = [picture for picture in pictures if picture.fit.enlargement > 1]
    cut = [picture for picture in pictures if picture.fit.share_kept < 2 / 3]
    clear = [picture for picture in pictures if picture.has_alpha]
    bare = [picture for picture in pictures if not (picture.caption or data.caption_prefix or data.caption_suffix)]
    doubly = [picture for picture in pictures if len(caption_files(picture.path)) > 1]
    wild = [picture for picture in pictures if has_wildcards(picture.caption)]
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
        (doubly, "captioned in a .txt and a .caption file, of which the .txt is taken"),
        (
            wild if filewords and not data.wildcards else [],
            "captioned with {...|...}, which is no choice: Wildcards is off",
        ),
        (bare if filewords else [], "without words, so that [filewords] is empty"),
        (twice if both else [], f"captioned with the placeholder too, so that {name} comes twice in a prompt"),
    ]
    sentences = [f"{_listed([one.name for one in who])} {what}." for who, what in found if who]
    if data.crops > 1 and all(len(picture.fit.crops(data.crops)) == 1 for picture in pictures):
        sentences.append("No picture is cut to fit the training shape: Random crops changes nothing.")
    if not data.wildcards and any(map(has_wildcards, template.lines)):
        sentences.append("The template holds {...|...}, which is no choice: Wildcards is off.")
    if data.alpha_weight and not clear:
        sentences.append("No picture has a transparent part: using the alpha channel as loss weight changes nothing.")
    return tuple(sentences)


def mask_advice(pictures: Sequence[Picture], lost: Sequence[str]) -> list[str]:
    """`lost` are the names of masks that belong to no picture."""
    bare = [picture.name for picture in pictures if not picture.mask]
    sentences = []
    if bare and len(bare) < len(pictures):
        sentences.append(f"{_listed(bare)} without a mask, and will count as a whole.")
    if lost:
        sentences.append(f"{_listed(lost)} no picture and no picture's mask, and will not be used.")
    return sentences


def mentions(name: str, prompt: str) -> bool:
    """Whether `name` stands in `prompt` as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", prompt) is not None


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} {'is' if len(names) == 1 else 'are'}"
