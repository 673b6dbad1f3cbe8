"""Which files of a folder are training pictures, and what kohya-style folder names say about them.

`100_sks woman` means: each picture in it 100 times an epoch, and "sks woman" as the caption of those without a .txt file. Such
a folder may be the data set itself or lie in it; no other subfolder is entered.

What OneTrainer puts beside a picture about it, `NAME-masklabel.png` and `NAME-condlabel.png`, is no picture of the data set.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lib_ti.errors import Fault, InvalidDataset

FIELD = "data.folder"
# Whatever carries one of these endings is meant as a picture, so that one which this Pillow cannot read is a fault, not a gap.
ENDINGS = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .webp .bmp .gif .tif .tiff .avif .heic .heif .jxl".split()  # noqa: SIM905
)
CAPTION_ENDINGS = (".txt", ".caption")
"""In this order: the second is kohya's."""
MAX_REPEATS = 1000
MASK = "-masklabel"
_ABOUT_OTHERS = (MASK, "-condlabel")
"""With which names of pictures end that say something of another picture, before their ending."""
_KOHYA = re.compile(r"(?P<repeats>0*[1-9][0-9]*)_(?P<words>.+)")


@dataclass(frozen=True)
class PictureFile:
    """`name` is the path inside the data set, with forward slashes on every system."""

    path: Path
    name: str
    repeats: int = 1
    class_words: str = ""


def typed_path(typed: str) -> Path:
    """As people type and paste paths: in quotes, from their home."""
    path = Path(typed.strip().strip('"'))
    with suppress(RuntimeError):  # ~backup may be a folder as well as a user
        path = path.expanduser()
    return path


def list_pictures(folder: Path, field: str = FIELD) -> list[PictureFile]:
    """All picture files by name, unopened. Raises InvalidDataset, at `field`, if there are none or the folder cannot be listed."""
    try:
        if not folder.exists():
            raise _refused(field, f"there is no folder {str(folder)!r}", "check the path")
        if not folder.is_dir():
            raise _refused(field, f"{str(folder)!r} is a file", "give the folder that the pictures are in")
        files = sorted(_walk(folder), key=lambda file: file.name)
    except OSError as error:
        raise _refused(field, f"{str(folder)!r} cannot be read: {error.strerror}", "check its permissions") from error
    if endless := sorted({file.path.parent.name for file in files if file.repeats > MAX_REPEATS}):
        hint = "rename the folder or move it away"
        raise InvalidDataset([Fault(name, f"more than {MAX_REPEATS} repeats", hint) for name in endless])
    if not files:
        raise _refused(
            field,
            f"{str(folder)!r} holds no pictures",
            "put PNG, JPEG or WebP files into it; subfolders are read when named as in 100_sks woman",
        )
    return files


def mask_beside(picture: Path) -> Path | None:
    """The mask of a picture, where OneTrainer keeps it."""
    path = _mask_path(picture)
    return path if is_file(path) else None


def files_beside(picture: Path) -> tuple[Path, ...]:
    """What a training reads beside a picture, where it is there."""
    return *(picture.with_suffix(ending) for ending in CAPTION_ENDINGS), _mask_path(picture)


def is_file(path: Path) -> bool:
    """Also of names that are too long to be any."""
    with suppress(OSError):
        return path.is_file()
    return False


def _mask_path(picture: Path) -> Path:
    return picture.with_name(f"{picture.stem}{MASK}.png")


def _walk(folder: Path) -> Iterator[PictureFile]:
    own = _kohya(folder)
    # A data set's own folder may be called anything, 20240131_holiday too; that is a date.
    yield from _files(folder, "", *(own if own and own[0] <= MAX_REPEATS else (1, "")))
    for inner in folder.iterdir():
        if inner.is_dir() and (kohya := _kohya(inner)):
            yield from _files(inner, f"{inner.name}/", *kohya)


def _files(folder: Path, prefix: str, repeats: int, class_words: str) -> Iterator[PictureFile]:
    for path in folder.iterdir():
        if is_image(path) and not path.stem.endswith(_ABOUT_OTHERS):
            yield PictureFile(path, prefix + path.name, repeats, class_words)


def is_image(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file()


def _kohya(folder: Path) -> tuple[int, str] | None:
    match = _KOHYA.fullmatch(folder.resolve().name)
    return (int(match["repeats"]), match["words"].strip()) if match else None


def _refused(field: str, message: str, hint: str) -> InvalidDataset:
    return InvalidDataset([Fault(field, message, hint)])
