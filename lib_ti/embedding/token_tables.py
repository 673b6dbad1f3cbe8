"""What tells one model's vocabulary from another's: where both are the same, merged words are the same vectors too."""

from hashlib import blake2b
from weakref import WeakKeyDictionary

from lib_ti.host import ModelInfo, TextModel

_known: WeakKeyDictionary[TextModel, tuple[ModelInfo, dict[str, str]]] = WeakKeyDictionary()


def hash_token_tables(host: TextModel) -> dict[str, str]:
    """16 hex digits by encoder, of the whole table in half precision, as most checkpoints store it. Read once for each model."""
    model, known = host.model(), _known.get(host)
    if known is None or known[0] != model:
        known = _known[host] = model, {encoder.name: _hash(host, encoder.name) for encoder in model.encoders}
    return known[1]


def _hash(host: TextModel, encoder: str) -> str:
    return blake2b(host.all_token_vectors(encoder).half().numpy().tobytes(), digest_size=8).hexdigest()
