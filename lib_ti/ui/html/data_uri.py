"""Pictures inside the page itself, as data URIs: no host's rules about which folders may be served apply to them."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from pathlib import Path

from PIL import Image

from lib_ti.reading import open_file

LARGE, THUMB = 768, 128
MOST_PIXELS = 48 * 1024 * 1024


def find_data_uri(path: Path, side: int) -> str | None:
    """The picture, made smaller where it is larger than `side` pixels; None where the file cannot be read."""
    try:
        return _data_uri(str(path), path.stat().st_mtime_ns, side)
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
    ):  # what Pillow has for damaged and for huge ones
        return None


@lru_cache(maxsize=512)
def _data_uri(path: str, modified: int, side: int) -> str:
    with open_file(Path(path)) as opened, Image.open(opened) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError("a picture that would take a gigabyte to make a small one of")
        shown = image.convert("RGB")
    shown.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    # Small pictures stay exact; large ones would make each poll heavy.
    kind, options = ("PNG", {}) if max(shown.size) <= 256 else ("JPEG", {"quality": 90})
    shown.save(file, kind, **options)
    return data_uri(file.getvalue(), kind)


def data_uri(picture: bytes, kind: str = "PNG") -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(picture).decode()}"
