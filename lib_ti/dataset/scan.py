"""The folders of training pictures, validated: every fault of every file is found at once, before any model work."""

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
from lib_ti.dataset.caption import caption_files, caption_from_name, find_caption, mark_class, pick_words, split_tags
from lib_ti.dataset.dataset import Dataset, Picture, Source, fingerprint
from lib_ti.dataset.folder import MAX_REPEATS, PictureFile, list_pictures, typed_path
from lib_ti.dataset.mask import find_masks
from lib_ti.dataset.picture import load_image, load_mask, place_weights
from lib_ti.dataset.template import FIELD, Template, compose_prompt, find_template, load_template, plain_marks
from lib_ti.dataset.wildcards import expand, has_wildcards, longest
from lib_ti.errors import Fault, InvalidDataset, InvalidText

# Enlarged more than this, a picture holds less than a sixteenth of the detail that the model would learn from it.
MAX_ENLARGEMENT = 4.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FolderListing:
    """What is known of a folder before a picture is opened, by its settings `data`; `faults` is all that is wrong so far.

    For each of `files`, `words` has those that its name gives, and `masks` its mask; `lost` are the names of masks that belong to
    none. `label` is what a further folder of a data set is called, "" for the first. `class_word` is None but for class pictures.
    """

    data: DataPart
    label: str
    template: Template | None
    files: tuple[PictureFile, ...]
    words: tuple[str, ...]
    masks: tuple[Path | None, ...]
    lost: tuple[str, ...]
    faults: tuple[Fault, ...]
    class_word: str | None = None


@dataclass(frozen=True)
class Listing:
    """What is known of a data set before a picture is opened, for the training of `name`, or of all of `names` where they are several.

    `model_size` and `pixel_multiple` are the model's native_size and pixel_multiple.
    """

    folders: tuple[FolderListing, ...]
    name: str
    model_size: int
    pixel_multiple: int
    names: tuple[str, ...] = ()

    @property
    def faults(self) -> tuple[Fault, ...]:
        return tuple(fault for folder in self.folders for fault in folder.faults)

    @property
    def samples_per_epoch(self) -> int:
        return sum(file.repeats for folder in self.folders for file in folder.files)

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
    names: Sequence[str] = (),
) -> Dataset:
    """Read everything about the data set but the pixels, as `list_dataset` and then `scan_pictures` do."""
    return scan_pictures(list_dataset(data, name, model_size, pixel_multiple, template_folders, names), progress)


def list_dataset(
    data: DataPart,
    name: str,
    model_size: int,
    pixel_multiple: int,
    template_folders: Sequence[Path] = (),
    names: Sequence[str] = (),
) -> Listing:
    """Quick: no picture is opened. `template_folders` are looked through before our own; `names` are those of all embeddings that
    prompts may call, where they are several."""
    first, *further = data.folders()
    listed = [_list_folder(first, "", pixel_multiple, template_folders, names)]
    for part in further:
        label = typed_path(part.folder).name or part.folder
        listed.append(_list_folder(part, label, pixel_multiple, template_folders, names))
    return Listing(tuple(listed), name, model_size, pixel_multiple, tuple(names))


def list_class_pictures(data: DataPart, class_word: str, name: str, model_size: int, pixel_multiple: int) -> Listing:
    """Of `data.class_folder`, the same. Prompts are the captions, with [name] in place of the class word: `data.class_word`, else
    what a folder's name calls it (1_woman), else `class_word`."""
    # Read as the first folder, but their captions are their whole prompts, as they are.
    own = replace(data, more="", repeats=1, mask_folder="", caption_prefix="", caption_suffix="", tag_dropout=0.0)
    part = replace(own, folder=data.class_folder, template="none")
    folder, label = _list_folder(part, "", pixel_multiple, (), ()), typed_path(part.folder).name or part.folder
    # Of a setting that class pictures share with the others, these tell the fault.
    faults = [replace(fault, where="data.class_folder") for fault in folder.faults if fault.where == "data.folder"]
    faults += [fault for fault in folder.faults if not fault.where.startswith("data.")]
    files = tuple(replace(file, name=f"{label}/{file.name}") for file in folder.files)
    template = Template("class pictures", ("[filewords]",))
    found = replace(folder, label=label, template=template, files=files, faults=tuple(faults), class_word=class_word)
    return Listing((found,), name, model_size, pixel_multiple)


def _list_folder(
    data: DataPart, label: str, pixel_multiple: int, template_folders: Sequence[Path], names: Sequence[str]
) -> FolderListing:
    faults = _side_faults(data, pixel_multiple)
    template: Template | None = None
    with _collect(faults):
        template = load_template(find_template(data.template, template_folders), names)
    if data.wildcards and (odd := _brace_faults(data, template)):
        faults += odd
        template = None  # no prompt can be made
    files: list[PictureFile] = []
    with _collect(faults):
        files = [_repeated(file, data.repeats, label) for file in list_pictures(typed_path(data.folder))]
    stems = [file.path.stem for file in files]
    words = list(map(caption_from_name, stems))
    if data.word_regex:
        with _collect(faults):
            words = pick_words(stems, data.word_regex, data.join_words)
    masks: list[Path | None] = [None] * len(files)
    lost: list[str] = []
    with _collect(faults):
        masks, lost = find_masks(files, data)
    told = tuple(_of_folder(label, fault) for fault in faults)
    return FolderListing(data, label, template, tuple(files), tuple(words), tuple(masks), tuple(lost), told)


def _repeated(file: PictureFile, repeats: int, label: str) -> PictureFile:
    if file.repeats * repeats > MAX_REPEATS:
        hint = f"the folder's name says {file.repeats}, and the setting {repeats}"
        raise InvalidDataset([Fault("data.repeats", f"more than {MAX_REPEATS} repeats", hint)])
    return replace(file, name=f"{label}/{file.name}" if label else file.name, repeats=file.repeats * repeats)


def _of_folder(label: str, fault: Fault) -> Fault:
    """A fault of a setting, of a further folder at the field that has its line."""
    if not label or not fault.where.startswith("data."):
        return fault
    return replace(fault, where="data.more", message=f"{label}, {fault.where.removeprefix('data.')}: {fault.message}")


def scan_pictures(listing: Listing, progress: Progress | None = None) -> Dataset:
    """Read each caption, and decode each picture once to see that it can be; `progress(done, total)` is called after each.

    Raises InvalidDataset with all faults: those of settings by their field, those of files by their name in the data set.
    """
    faults, pictures, sources, warnings = list(listing.faults), [], [], []
    total, done = sum(len(folder.files) for folder in listing.folders), 0
    for number, folder in enumerate(listing.folders):
        found = []
        for one in zip(folder.files, folder.words, folder.masks, strict=True):
            picture = _scan_picture(listing, folder, *one, faults)
            found += [replace(picture, source=number)] if picture else []
            done += 1
            if progress:
                progress(done, total)
        pictures += found
        if folder.template:
            source = Source(folder.template, folder.data, listing.names)
            sources.append(source)
            faults += [_of_folder(folder.label, fault) for fault in placeholder_faults(source, found, listing.name)]
            told = (*advice(source, found, listing.name), *mask_advice(found, folder.lost))
            begin = f"{folder.label}/" if folder.label else ""  # of a picture's name, which tells its folder
            warnings += [text if text.startswith(begin) else f"{folder.label}: {text}" for text in told]
    if faults or len(sources) < len(listing.folders):
        raise InvalidDataset(faults)
    sums = fingerprint([source.template for source in sources], pictures)
    return Dataset(tuple(pictures), tuple(sources), tuple(warnings), sums)


def _scan_picture(
    listing: Listing, folder: FolderListing, file: PictureFile, words: str, mask: Path | None, faults: list[Fault]
) -> Picture | None:
    """The picture, or None with its faults added to `faults`."""
    caption = found = None
    with _collect(faults, file):
        read = plain_marks(find_caption(file.path, file.class_words or words))
        if folder.data.wildcards:
            _validate_braces(read, str(next(iter(caption_files(file.path)), file.path)))
        if folder.class_word is not None:
            read = mark_class(read, folder.data.class_word or file.class_words or folder.class_word, file.path)
        caption = read
    with _collect(faults, file):
        found = _validate_picture(file.path, mask, folder.data, listing)
    if caption is None or found is None:
        return None
    fit, has_alpha, crops = found
    return Picture(file.path, file.name, caption, file.repeats, fit, has_alpha, mask, crops)


def _validate_picture(
    path: Path, mask: Path | None, data: DataPart, listing: Listing
) -> tuple[Fit, bool, tuple[Fit, ...]]:
    """How the picture will be fitted, whether parts of it are transparent, and the crops to train on: those where any of it counts."""
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


def _brace_faults(data: DataPart, template: Template | None) -> list[Fault]:
    """Of the texts around captions; captions have their own."""
    texts = [(FIELD, line) for line in template.lines] if template else []
    texts += [("data.caption_prefix", data.caption_prefix), ("data.caption_suffix", data.caption_suffix)]
    faults: list[Fault] = []
    for where, text in texts:
        with _collect(faults):
            _validate_braces(text, where)
    return faults


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
    """Prompts that would not hold `name`, nor another of the source's names: possible only in lines that do not surely have [name],
    whose captions must bring it."""
    own = source.data.name or name
    names = source.names or (own,)

    def calls(prompt: str) -> bool:
        return bool(called(prompt, names))

    def without(options: Sequence[str]) -> str:
        return min(options, key=lambda option: calls(compose_prompt(option, own, "", names)))

    def sure_words(caption: str) -> str:
        data = source.data
        return ", ".join(split_tags(caption)[: data.keep_tags]) if data.tag_dropout else caption

    lines = [line for line in source.template.lines if source.data.wildcards or "[name]" not in line]
    lost = [
        picture
        for picture in pictures
        if any(not calls(source.prompt(line, name, picture.caption, without, sure_words)) for line in lines)
    ]
    if not lost:
        return []
    if len(lost) == len(pictures):
        return [
            Fault(FIELD, f"the prompt {lines[0]!r} has no [name], nor has any caption", "put [name] into the template")
        ]
    message = f"the caption does not surely hold {own!r}, nor does the template's prompt {lines[0]!r}"
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
    own = data.name or name
    twice = [picture for picture in pictures if called(picture.caption.replace("[name]", own), (own,))]
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
        (twice if both else [], f"captioned with the placeholder too, so that {own} comes twice in a prompt"),
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


def called(prompt: str, names: Sequence[str]) -> list[str]:
    """Those of `names` that stand in `prompt` as words of their own, in the order of `names`. Where one stands in another, as cat in
    cat-neg, the longer one counts."""
    longest = sorted(names, key=len, reverse=True)
    found = re.findall(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)", prompt)
    return [name for name in names if name in found]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} {'is' if len(names) == 1 else 'are'}"
