"""How long the words of a model are: what is short or long for a vector is told by them."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from lib_ti.host import ModelInfo, TextModel

_known: WeakKeyDictionary[TextModel, tuple[ModelInfo, dict[str, float]]] = WeakKeyDictionary()


def word_lengths(host: TextModel) -> dict[str, float]:
    """By encoder, the median L2 length of the rows of its token table; read once for each model.

    The median, for a table holds rows that no text ever trained, some of them zero, some far too long.
    """
    model, known = host.model(), _known.get(host)
    if known is None or known[0] != model:
        lengths = {
            encoder.name: float(host.all_token_vectors(encoder.name).norm(dim=1).median()) for encoder in model.encoders
        }
        known = _known[host] = model, lengths
    return known[1]
