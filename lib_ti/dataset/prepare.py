"""A folder of pictures made into a data set: pieces, crops, flipped copies and captions, in a folder of their own.

New files are called `00003-0-red boat.png`, as A1111's preprocessing does: the number of the picture, of its piece or copy, and
the words of its name, so that captions that are taken from names stay the same.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from lib_ti.atomic import write_atomically
from lib_ti.config.dataset import FILE_NAMES, DatasetConfig
from lib_ti.dataset.bucket import Size
from lib_ti.dataset.caption import caption_from_name, combine_captions, existing_caption, save_caption
from lib_ti.dataset.crop import box_around, crop_middle, find_size, is_oversized, scale_to_cover, split_picture
from lib_ti.dataset.focal_point import Point, draw_focus, find_focus
from lib_ti.dataset.folder import PictureFile, list_pictures, mask_beside, typed_path
from lib_ti.dataset.picture import load_image
from lib_ti.errors import Fault, GivenUp, InvalidConfig, InvalidDataset

Caption = Callable[[Image.Image, str], str]
FindFaces = Callable[[Image.Image], Sequence[Point] | None]
FLIPS = (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180)
LONGEST = 230
NO_FACES = "Faces are not looked for: nothing here can find them."


@dataclass
class Report:
    """What came of it: pictures of the source that are done, pictures written, captions written, and what to know."""

    done: int = 0
    total: int = 0
    pictures: int = 0
    captions: int = 0
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Helpers:
    """What a host lends: its captioners by name, and where faces are (None where it cannot tell)."""

    captioners: tuple[str, ...] = ()
    caption: Caption | None = None
    find_faces: FindFaces | None = None


def prepare_pictures(
    config: DatasetConfig,
    native: int,
    helpers: Helpers,
    progress: Callable[[Report, str], None],
    stopping: Callable[[], bool],
) -> Report:
    """Prepare one picture after the other until done, `stopping()` or given up; `native` is the side for a width or height of 0.

    `progress(report, name)` is called before each picture. Pictures that cannot be read are left out, with a warning.
    Raises InvalidConfig or InvalidDataset before anything is written, TIError where a file cannot be written.
    """
    files = _validate(config, helpers)
    report = Report(total=len(files))
    if config.folders.destination.strip() and (masks := sum(map(bool, (mask_beside(file.path) for file in files)))):
        report.warnings.append(f"Mask files are left out ({masks}): they are not cut and flipped with their pictures.")
    work = _Preparation(config, (config.size.width or native, config.size.height or native), helpers, report)
    for number, file in enumerate(files):
        if stopping():
            break
        progress(report, file.name)
        try:
            work.prepare(number, file)
        except InvalidDataset as error:
            report.warnings += [f"{file.name} is left out: it {fault.message}." for fault in error.faults]
        except GivenUp:  # stopped while a captioner waited for the host
            break
        report.done += 1
    return report


def _validate(config: DatasetConfig, helpers: Helpers) -> list[PictureFile]:
    """The pictures, once it is sure that nothing is overwritten unasked."""
    known = (FILE_NAMES, *helpers.captioners)
    faults = [
        Fault("captions.by", f"there is no {name!r} here", "one of: " + ", ".join(known))
        for name in config.captioners
        if name not in known
    ]
    files: list[PictureFile] = []
    try:
        files = list_pictures(typed_path(config.folders.source))
    except InvalidDataset as error:
        faults += [Fault("folders.source", fault.message, fault.hint) for fault in error.faults]
    if config.folders.destination.strip():
        faults += _destination_faults(config)
    if faults:
        raise InvalidConfig(faults)
    return files


def _destination_faults(config: DatasetConfig) -> list[Fault]:
    where, place = "folders.destination", typed_path(config.folders.destination)
    try:
        if place.exists() and not place.is_dir():
            return [Fault(where, f"{str(place)!r} is a file", "give a folder")]
        if place.resolve() == typed_path(config.folders.source).resolve():
            return [Fault(where, "is the input directory", "the originals stay as they are: give another one")]
        if config.folders.overwrite or not place.is_dir() or not any(place.iterdir()):
            return []
    except OSError as error:
        return [Fault(where, f"{str(place)!r} cannot be used: {error.strerror}", "check the path and its permissions")]
    return [Fault(where, f"{str(place)!r} is not empty", "choose an empty or new one, or overwrite")]


class _Preparation:
    def __init__(self, config: DatasetConfig, target: Size, helpers: Helpers, report: Report) -> None:
        self.config, self.target, self.helpers, self.report = config, target, helpers, report
        typed = config.folders.destination
        self.destination = typed_path(typed) if typed.strip() else None

    def prepare(self, number: int, file: PictureFile) -> None:
        existing = existing_caption(file.path)
        original = load_image(file.path)
        if self.destination is None:
            self.save_caption(file.path, existing, self.new_caption(file, existing, original))
            return
        words = _fitting(caption_from_name(file.path.stem) or file.class_words)
        pictures = self.pictures(original, f"{number:05}-{words}" if words else f"{number:05}")
        folder = self.destination / Path(file.name).parent  # 100_sks woman keeps its repeats
        for piece, picture in enumerate(pictures):
            name = f"{number:05}-{piece}-{words}" if words else f"{number:05}-{piece}"
            caption = self.new_caption(file, existing, picture)  # first, for no picture is written without its own
            if picture is original:
                path = folder / f"{name}{file.path.suffix}"
                write_atomically(path, file.path.read_bytes())  # the very bytes: nothing is lost by saving once more
            else:
                path = folder / f"{name}.png"
                write_atomically(path, _png(picture))
            self.report.pictures += 1
            self.save_caption(path, existing, caption)

    def pictures(self, original: Image.Image, name: str) -> list[Image.Image]:
        """The pieces, cropped, and their copies; `original` itself where nothing is to be changed."""
        split, pieces = self.config.split, [original]
        if split.on and is_oversized(original.size, self.target, split.threshold):
            pieces = split_picture(original, self.target, split.overlap)
        if self.config.focal.on:
            pieces = [self.crop_focal(piece, f"{name}-{number}") for number, piece in enumerate(pieces)]
        if self.config.sized.on:
            pieces = [self.crop_sized(piece, name) for piece in pieces]
        wanted = [way for way, on in zip(FLIPS, self.config.flips, strict=True) if on]
        return pieces + [piece.transpose(way) for way in wanted for piece in pieces]

    def crop_focal(self, image: Image.Image, name: str) -> Image.Image:
        if image.size == self.target:
            return image
        focal, scaled = self.config.focal, scale_to_cover(image, self.target)
        faces = self.find_faces(scaled) if focal.face_weight else ()
        weights = (focal.face_weight, focal.entropy_weight, focal.edges_weight)
        focus = find_focus(scaled, self.target, faces, *weights)
        box = box_around(focus.point, scaled.size, self.target)
        if focal.debug and self.destination:
            write_atomically(self.destination / "debug" / f"{name}.png", _png(draw_focus(scaled, focus, box)))
        return scaled.crop(box)

    def find_faces(self, image: Image.Image) -> Sequence[Point]:
        found = self.helpers.find_faces(image.convert("RGB")) if self.helpers.find_faces else None
        if found is None and NO_FACES not in self.report.warnings:
            self.report.warnings.append(NO_FACES)
        return found or ()

    def crop_sized(self, image: Image.Image, name: str) -> Image.Image:
        sized = self.config.sized
        sides, areas = (sized.min_side, sized.max_side), (sized.min_area, sized.max_area)
        size = find_size(image.size, sides, areas, sized.objective, sized.threshold)
        if size is None:
            shape = "{}x{}".format(*image.size)
            self.report.warnings.append(f"{name} keeps its {shape}: no size within the bounds is near enough.")
            return image
        return image if size == image.size else crop_middle(image, size)

    def new_caption(self, file: PictureFile, existing: str, image: Image.Image) -> str:
        if existing and self.config.captions.existing == "keep":
            return ""  # nobody waits for words that are not used
        found = [self.config.captions.words.strip()]
        for name in self.config.captioners:
            if name == FILE_NAMES:
                found.append(file.class_words or caption_from_name(file.path.stem))
            elif self.helpers.caption:
                found.append(self.helpers.caption(image.convert("RGB"), name).strip())
        return ", ".join(words for words in found if words)

    def save_caption(self, picture: Path, existing: str, new: str) -> None:
        caption = combine_captions(existing, new, self.config.captions.existing)
        if self.destination or caption != existing:
            save_caption(picture, caption)
            self.report.captions += bool(caption)


def _fitting(words: str) -> str:
    """Cut where a file's name, which may have 255 bytes, has no room for the numbers in front and the ending."""
    long = words.encode(errors="ignore")
    return words if len(long) <= LONGEST else long[:LONGEST].decode(errors="ignore").strip()


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
