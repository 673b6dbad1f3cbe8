"""Numbers told from any others by 16 hex digits: vectors of an embedding, and a model's vocabulary.

Recipes and files keep these digests: how they are made stays as it is.
"""

from collections.abc import Mapping
from hashlib import blake2b
from weakref import WeakKeyDictionary

import torch

from lib_ti.host import ModelInfo, TextModel

_known: WeakKeyDictionary[TextModel, tuple[ModelInfo, dict[str, str]]] = WeakKeyDictionary()


def digest_vectors(vectors: Mapping[str, torch.Tensor]) -> str:
    """Of [V, D] by encoder, as float32: the same for equal vectors, whatever device, order or file they come from."""
    found = blake2b(digest_size=8)
    for encoder in sorted(vectors):
        plain = vectors[encoder].detach().float().cpu().contiguous()
        found.update(f"{encoder} {tuple(plain.shape)} ".encode())
        found.update(plain.numpy().tobytes())
    return found.hexdigest()


def digest_token_tables(host: TextModel) -> dict[str, str]:
    """By encoder, of the whole token table in half precision, as most checkpoints store it; read once for each model.

    Where two models have the same, merged words are the same vectors too.
    """
    model, known = host.model(), _known.get(host)
    if known is None or known[0] != model:
        known = _known[host] = model, {encoder.name: _digest_table(host, encoder.name) for encoder in model.encoders}
    return known[1]


def _digest_table(host: TextModel, encoder: str) -> str:
    return blake2b(host.all_token_vectors(encoder).half().numpy().tobytes(), digest_size=8).hexdigest()
