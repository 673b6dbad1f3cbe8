"""Many embedding files into one form. A file that cannot be converted is told with its reason, and the rest is converted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PIL import Image

from lib_ti.atomic import write_atomically
from lib_ti.config.embeddings import Form
from lib_ti.embedding.embedding import Embedding
from lib_ti.embedding.families import ClipG, to_family
from lib_ti.embedding.limits import MAX_PIXELS
from lib_ti.embedding.name import check_name
from lib_ti.errors import EmbeddingExists, Fault, InvalidConfig, TIError
from lib_ti.formats.card import draw_fingerprint
from lib_ti.formats.files import load_bundle, load_embedding, save_diffusers, save_embedding
from lib_ti.formats.png import write_preview_png
from lib_ti.library.listing import list_library
from lib_ti.reading import open_file

_ENDINGS = {"safetensors": ".safetensors", "pt": ".pt", "diffusers": ".safetensors", "png": ".png"}


@dataclass(frozen=True)
class Converted:
    """`notes` say what was lost or assumed."""

    source: Path
    target: Path
    notes: tuple[str, ...]


class Taken(Fault):
    """A file that would be overwritten."""


@dataclass(frozen=True)
class Conversion:
    written: tuple[Converted, ...]
    faults: tuple[Fault, ...]

    @property
    def only_taken(self) -> bool:
        """Nothing stands in the way but files that would be overwritten."""
        return bool(self.faults) and all(isinstance(fault, Taken) for fault in self.faults)


def convert_files(
    sources: Sequence[Path],
    form: Form,
    out: Path,
    family: Literal["sd1", "sdxl"] | None = None,
    clip_g: ClipG | None = None,
    overwrite: bool = False,
) -> Conversion:
    """Files, and folders with all that is under them, whose subfolders are kept, into `out`.

    "diffusers" is its .safetensors form. A LoRA's bundled embeddings become a file each. `family` and `clip_g` are for
    `to_family`. Nothing is overwritten unless asked for, and never what was written in the same call.
    """
    written: list[Converted] = []
    targets: set[str] = set()  # in small letters: some systems take two spellings for one file
    faults: list[Fault] = []
    for source, folder in _files(sources, out):
        try:
            embeddings = _load(source)
        except TIError as error:
            faults.append(Fault(str(source), error.message, error.hint))
            continue
        for embedding in embeddings:
            target = out / folder / f"{embedding.name}{_ENDINGS[form]}"
            try:
                if str(target).casefold() in targets:
                    raise EmbeddingExists(f"Another file has become {target.name} just now.", "Convert it on its own.")
                changed = to_family(embedding, family, clip_g) if family else embedding
                _save(changed, form, target, overwrite, _thumbnail(source))
            except EmbeddingExists as error:
                faults.append(Taken(str(source), error.message, error.hint))
            except TIError as error:
                faults.append(Fault(str(source), error.message, error.hint))
            else:
                written.append(Converted(source, target, changed.notes))
                targets.add(str(target).casefold())
    return Conversion(tuple(written), tuple(faults))


def _files(sources: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Each file, and the subfolder that it is to have."""
    files = []
    for source in sources:
        if source.is_dir():
            files += [
                (entry.path, entry.path.parent.relative_to(source)) for entry in list_library(source, besides=out)
            ]
        else:
            files.append((source, Path()))
    return files


def _load(source: Path) -> list[Embedding]:
    """Names from inside a file serve only where they are safe as a file's name."""
    bundled = load_bundle(source) if source.suffix.lower() in (".safetensors", ".pt", ".bin") else []
    if bundled:
        return [_named(one, f"{source.stem}-{number}") for number, one in enumerate(bundled, 1)]
    return [_named(load_embedding(source), source.stem)]


def _named(embedding: Embedding, otherwise: str) -> Embedding:
    if embedding.name == otherwise:
        return embedding
    try:
        check_name(embedding.name)
    except InvalidConfig:
        return replace(embedding, name=otherwise)
    return embedding


def _save(embedding: Embedding, form: Form, target: Path, overwrite: bool, thumbnail: Path | None) -> None:
    match form:
        case "safetensors" | "pt":
            save_embedding(embedding, target, overwrite)
        case "diffusers":
            save_diffusers(embedding, target, overwrite)
        case "png":
            if target.exists() and not overwrite:
                raise EmbeddingExists(f"{target.name} exists already.", "Ask for it to be overwritten.")
            write_atomically(target, write_preview_png(_picture(embedding, thumbnail), embedding))


def _thumbnail(source: Path) -> Path | None:
    path = source.with_name(f"{source.stem}.preview.png")
    return path if path.is_file() else None


def _picture(embedding: Embedding, thumbnail: Path | None) -> Image.Image:
    """What the card is drawn on: the thumbnail beside the file, else the embedding's own numbers."""
    if thumbnail is None:
        return draw_fingerprint(embedding)
    try:
        with open_file(thumbnail) as file, Image.open(file) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError("far larger than a card")
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return draw_fingerprint(embedding)  # a damaged thumbnail is no reason to keep the embedding back
