"""The pictures of a folder to look at, a page at a time, with captions to edit."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from lib_ti.dataset.caption import caption_from_name, caption_path, existing_caption, save_caption
from lib_ti.dataset.folder import PictureFile, list_pictures
from lib_ti.dataset.picture import load_image
from lib_ti.errors import Fault, InvalidDataset

PAGE = 24
SIDE = 320


@dataclass(frozen=True)
class Card:
    """One picture. `caption` is its `.txt`'s, and where there is none, `otherwise` is what is taken; `thumbnail` a JPEG."""

    name: str
    path: Path
    caption: str
    otherwise: str
    size: tuple[int, int] = (0, 0)
    thumbnail: bytes = b""
    fault: str = ""


@dataclass(frozen=True)
class Album:
    """`page` counts from 0; `total` pictures on `pages` pages of `per_page`."""

    folder: Path
    cards: tuple[Card, ...]
    page: int
    pages: int
    total: int
    per_page: int


def load_album(folder: Path, page: int = 0) -> Album:
    """Raises InvalidDataset where the folder has no pictures or cannot be listed; faults of one picture are on its card."""
    files = list_pictures(folder)
    pages = -(-len(files) // PAGE)
    page = min(max(0, page), pages - 1)
    cards = tuple(_load_card(file) for file in files[page * PAGE : (page + 1) * PAGE])
    return Album(folder, cards, page, pages, len(files), PAGE)


def save_captions(folder: Path, captions: Mapping[str, str]) -> int:
    """Write captions by picture's name, an empty one taking its `.txt` away; how many changed. Raises InvalidDataset.

    All names are validated first: only pictures of the folder are captioned.
    """
    files = {file.name: file.path for file in list_pictures(folder)}
    unknown = [name for name in captions if name not in files]
    if unknown:
        raise InvalidDataset([Fault(name, "is no picture of the folder", "show the folder again") for name in unknown])
    changed = {name: words for name, words in captions.items() if " ".join(words.split()) != _readable(files[name])}
    for name, words in changed.items():
        save_caption(files[name], words)
    return len(changed)


def _load_card(file: PictureFile) -> Card:
    otherwise = file.class_words or caption_from_name(file.path.stem)
    fault, caption, size, thumbnail = "", "", (0, 0), b""
    try:
        caption = existing_caption(file.path)
    except InvalidDataset as error:
        fault = f"{caption_path(file.path).name} {error.faults[0].message}"
    try:
        size, thumbnail = _thumbnail(file.path, file.path.stat().st_mtime_ns)
    except (InvalidDataset, OSError) as error:
        fault = error.faults[0].message if isinstance(error, InvalidDataset) else str(error)
    return Card(file.name, file.path, caption, otherwise, size, thumbnail, fault)


def _readable(picture: Path) -> str:
    try:
        return existing_caption(picture)
    except InvalidDataset:
        return "\0"  # differs from whatever is typed


@lru_cache(maxsize=20 * PAGE)
def _thumbnail(path: Path, modified: int) -> tuple[tuple[int, int], bytes]:
    """The picture's size and a small copy, on white. Raises InvalidDataset."""
    image = load_image(path)
    size = image.size
    image.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return size, file.getvalue()
