"""Embeddings from and to files. The layout is told by the content when reading, by the ending when writing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.atomic import write_atomically
from lib_ti.embedding.limits import MAX_FILE_BYTES, MAX_NOTES
from lib_ti.errors import EmbeddingExists, InvalidEmbedding
from lib_ti.formats.layouts import Found, find_bundled, find_layout, rows_and_width
from lib_ti.formats.metadata import Facts, read_metadata
from lib_ti.formats.safetensors_file import is_safetensors, read_safetensors
from lib_ti.formats.stored import StoredTensor
from lib_ti.formats.torch_file import is_torch_file, read_torch_file
from lib_ti.host import Family
from lib_ti.reading import open_file

if TYPE_CHECKING:
    import torch

    from lib_ti.embedding.embedding import Embedding


@dataclass(frozen=True)
class Header:
    """What is known of a file without its numbers. `name` is what prompts call it by; `widths` are by encoder, in order."""

    name: str
    layout: str
    family: Family | None
    rows: int
    widths: Mapping[str, int]
    step: int
    model_name: str
    model_hash: str
    token_tables: Mapping[str, str]
    recipe: Mapping[str, Any]
    created: str
    notes: tuple[str, ...]


def load_header(path: Path) -> Header:
    """All but the vectors, without torch. Raises InvalidEmbedding."""
    with _faults_of(path):
        return _open(path)[0]


def load_embedding(path: Path) -> Embedding:
    """Any layout we know, and the embedding of a LoRA that bundles one. Raises InvalidEmbedding."""
    with _faults_of(path):
        return _load(*_open(path))


def load_bundle(path: Path) -> list[Embedding]:
    """All embeddings that are bundled in a LoRA file; none where it bundles none. Raises InvalidEmbedding."""
    with _faults_of(path):
        saved, _, _ = _read(path)
        if not isinstance(saved, dict):
            return []
        return [_load(_header(found, name, None), found) for name, found in find_bundled(saved).items()]


def save_embedding(embedding: Embedding, path: Path, overwrite: bool = False) -> None:
    """To .safetensors with our metadata, or A1111's .pt (SD1, SD2). Raises EmbeddingExists, and InvalidEmbedding if no such form."""
    from lib_ti.formats.writing import write_pt, write_safetensors

    writers = {".safetensors": write_safetensors, ".pt": write_pt}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InvalidEmbedding(f"{path.name!r} has the wrong ending.", "Save as .safetensors or .pt.", str(path))
    _save(writer(embedding), path, overwrite)


def save_diffusers(embedding: Embedding, path: Path, overwrite: bool = False) -> None:
    """To diffusers' .bin or .safetensors, with the embedding's name as the token (SD1, SD2). Raises as `save_embedding`."""
    from lib_ti.formats.writing import write_diffusers_bin, write_diffusers_safetensors

    write = write_diffusers_bin if path.suffix.lower() == ".bin" else write_diffusers_safetensors
    _save(write(embedding), path, overwrite)


def _save(data: bytes, path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise EmbeddingExists(
            f"{path.name} exists already.", "Take another name, or ask for it to be overwritten.", str(path)
        )
    write_atomically(path, data)


def _open(path: Path) -> tuple[Header, Found]:
    saved, metadata, name_inside_wins = _read(path)
    bundled = find_bundled(saved) if isinstance(saved, dict) else {}
    if len(bundled) > 1:
        raise InvalidEmbedding(
            f"This LoRA bundles {len(bundled)} embeddings: {', '.join(bundled)}.",
            "Extract them into files of their own.",
        )
    for name, found in bundled.items():
        return _header(found, name, None), found
    found, facts = find_layout(saved), read_metadata(metadata)
    found = _as_labelled(found, facts)
    inside = _text((facts.name if facts else "") or found.values.get("name"))
    if inside in ("", path.stem) or name_inside_wins:
        return _header(found, inside or path.stem, facts), found
    note = f"It calls itself {inside!r}; WebUIs call it by its file's name."
    return _header(replace(found, notes=(*found.notes, note)), path.stem, facts), found


def _read(path: Path) -> tuple[Any, Mapping[str, str], bool]:
    """The values in a file, its metadata, and whether the name inside is what WebUIs go by."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(16)
        if not start:
            raise InvalidEmbedding("The file is empty.", "Delete it, or fetch it anew.")
        if is_safetensors(start):
            return *read_safetensors(path), False
        if size > MAX_FILE_BYTES:
            raise InvalidEmbedding(
                f"The file has {size} bytes, more than an embedding can have.", "Is it a checkpoint?"
            )
        data = start + file.read(size)
    if is_torch_file(start):
        saved = read_torch_file(data)
        return saved, _metadata_of(saved), False
    from lib_ti.formats.png import is_picture, read_png_embedding

    if is_picture(start):
        return *read_png_embedding(data), True
    raise InvalidEmbedding("The file is none of the kinds that embeddings come in.", "Is it what its ending says?")


def _metadata_of(saved: Any) -> Mapping[str, str]:
    metadata = saved.get("ti_lab") if isinstance(saved, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(part, str) for pair in metadata.items() for part in pair):
        return {}
    return metadata


def _as_labelled(found: Found, facts: Facts | None) -> Found:
    """With the encoder's name from our metadata, where the layout has none and the width agrees."""
    if facts is None or len(found.tensors) != 1 or list(facts.encoders.values()) != list(found.widths.values()):
        return found
    tensors = dict(zip(facts.encoders, found.tensors.values(), strict=True))
    return replace(found, tensors=tensors, family=facts.family)


def _header(found: Found, name: str, facts: Facts | None) -> Header:
    step = found.values.get("step")
    facts = facts or Facts(
        step=step if type(step) is int and 0 <= step < 10**9 else 0,
        model_name=_text(found.values.get("sd_checkpoint_name")),
        model_hash=_text(found.values.get("sd_checkpoint")),
    )
    return Header(
        name=_text(name),
        layout=found.layout,
        family=found.family,
        rows=found.rows,
        widths=found.widths,
        step=facts.step,
        model_name=_text(facts.model_name),
        model_hash=_text(facts.model_hash),
        token_tables=facts.token_tables,
        recipe=facts.recipe,
        created=_text(facts.created),
        notes=tuple(_shown(note, 500) for note in found.notes[:MAX_NOTES]),
    )


def _text(value: object) -> str:
    return _shown(value) if isinstance(value, str) else ""


def _shown(text: str, length: int = 200) -> str:
    """Words out of a stranger's file: of bounded length, and no control characters for a terminal to obey."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:length])


def _load(header: Header, found: Found) -> Embedding:
    import torch

    from lib_ti.embedding.embedding import Embedding

    return Embedding(
        name=header.name,
        vectors={encoder: torch.cat([_load_rows(part) for part in parts]) for encoder, parts in found.tensors.items()},
        step=header.step,
        family=header.family,
        model_name=header.model_name,
        model_hash=header.model_hash,
        recipe=header.recipe,
        token_tables=header.token_tables,
        created=header.created,
        notes=header.notes,
    )


def _load_rows(part: StoredTensor) -> torch.Tensor:
    """[V, D]."""
    tensor = part.load()
    if tuple(tensor.shape) != part.shape:
        raise InvalidEmbedding("A tensor has another shape than the file says.", "Fetch or save it anew.")
    return tensor.reshape(rows_and_width(part))


_DAMAGE = (
    *(ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError, MemoryError, RuntimeError),
    *(SyntaxError, TypeError, ValueError),
)
"""Of all Python's errors, those that bytes which nobody has foreseen can lead to, here or in a library."""


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    """Every fault names the file; what the system says of a file (missing, a folder, no rights) is such a fault too."""
    try:
        yield
    except InvalidEmbedding as error:
        raise InvalidEmbedding(_shown(error.message, 500), error.hint, str(path)) from error
    except OSError as error:
        raise InvalidEmbedding(
            f"The file cannot be read: {error.strerror or error}.", "Look at its path and rights.", str(path)
        ) from error
    except _DAMAGE as error:  # one file must never stop what goes through a folder of them
        reason = _shown(f"{type(error).__name__}: {error}")
        raise InvalidEmbedding(f"The file cannot be read ({reason}).", "Fetch or save it anew.", str(path)) from error
