"""Writing captions: what stands there, what is new, and the `.txt` beside a picture."""

from pathlib import Path

from lib_ti.atomic import write_atomically
from lib_ti.dataset.caption import find_caption


def caption_path(picture: Path) -> Path:
    return picture.with_suffix(".txt")


def existing_caption(picture: Path) -> str:
    """Of the `.txt`; "" where there is none. Raises InvalidDataset if it cannot be read."""
    return find_caption(picture) if caption_path(picture).is_file() else ""


def combine_captions(existing: str, new: str, action: str) -> str:
    """By config `captions.existing`. Where only one of both is there, that one."""
    if not existing or not new:
        return existing or new
    ways = {"keep": existing, "ignore": new, "prepend": f"{existing}, {new}", "append": f"{new}, {existing}"}
    return ways[action]


def save_caption(picture: Path, caption: str) -> None:
    """One line of UTF-8; an empty one leaves the picture to be captioned by its name. Raises TIError."""
    words = " ".join(caption.split())
    if words:
        write_atomically(caption_path(picture), words.encode())
    else:
        caption_path(picture).unlink(missing_ok=True)
