"""The bytes of the layouts that we write."""

import re
import zipfile
from dataclasses import replace
from datetime import datetime, timezone
from io import BytesIO
from typing import Any

import safetensors.torch
import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.metadata import write_metadata
from lib_ti.formats.png import a1111_values

# What hosts' pickle checks allow in a torch file. Newer torch adds .format_version, byteorder and more, which some refuse.
_OLD_MEMBER = re.compile(r"[^/]+/(data/\d+|version|data\.pkl)")


def write_safetensors(embedding: Embedding) -> bytes:
    """One encoder as `emb_params`, SDXL as `clip_l` and `clip_g`, with our metadata in the header."""
    vectors = dict(embedding.vectors)
    if len(vectors) == 1:
        vectors = {"emb_params": next(iter(vectors.values()))}
    return bytes(safetensors.torch.save(vectors, _metadata(embedding)))


def write_pt(embedding: Embedding) -> bytes:
    """A1111's dict, with our metadata as one key more. Raises InvalidEmbedding for SDXL, which has no such form."""
    values = a1111_values(embedding, _only_tensor(embedding, ".pt"))
    return write_torch_zip(values | {"ti_lab": _metadata(embedding)})


def write_diffusers_safetensors(embedding: Embedding) -> bytes:
    """{name: vectors}. Raises InvalidEmbedding for SDXL."""
    return bytes(safetensors.torch.save(_diffusers_values(embedding), _metadata(embedding)))


def write_diffusers_bin(embedding: Embedding) -> bytes:
    """{name: vectors}. Raises InvalidEmbedding for SDXL."""
    return write_torch_zip(_diffusers_values(embedding))


def _diffusers_values(embedding: Embedding) -> dict[str, torch.Tensor]:
    tensor = _only_tensor(embedding, "diffusers'")
    return {embedding.name: tensor[0].clone() if len(tensor) == 1 else tensor}


def _metadata(embedding: Embedding) -> dict[str, str]:
    created = embedding.created or datetime.now(timezone.utc).isoformat(timespec="seconds")
    return write_metadata(replace(embedding, created=created))


def _only_tensor(embedding: Embedding, form: str) -> torch.Tensor:
    if len(embedding.vectors) > 1:
        raise InvalidEmbedding(
            f"The embedding {embedding.name!r} has vectors for {' and '.join(embedding.vectors)}; {form} form holds one.",
            "Save it as .safetensors, which SDXL WebUIs and diffusers read.",
        )
    return next(iter(embedding.vectors.values()))


def write_torch_zip(values: dict[str, Any]) -> bytes:
    """What `torch.save` writes, without the records that older readers refuse."""
    saved, plain = BytesIO(), BytesIO()
    torch.save(values, saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(plain, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            if _OLD_MEMBER.fullmatch(name):
                target.writestr(zipfile.ZipInfo(name), source.read(name))
    return plain.getvalue()
