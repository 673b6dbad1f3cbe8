"""Whether an embedding is for the loaded model, told by family and widths alone. No torch: a whole folder is asked at once."""

from collections.abc import Mapping

from lib_ti.errors import InvalidEmbedding
from lib_ti.host import Family, ModelInfo

UNKNOWN_ENCODER = "unknown"
"""The key of vectors in a file that does not say for which encoder they are, and whose width does not tell either."""

FAMILY_TITLES = {"sd1": "SD1", "sd2": "SD2", "sdxl": "SDXL"}


def match_encoders(name: str, family: Family | None, widths: Mapping[str, int], model: ModelInfo) -> dict[str, str]:
    """For each encoder of `model`, in its order, the key of `widths` that is meant for it. Raises InvalidEmbedding at a misfit."""
    keys = {encoder.name: encoder.name for encoder in model.encoders}
    if len(keys) == 1 and UNKNOWN_ENCODER in widths:
        keys = {model.encoders[0].name: UNKNOWN_ENCODER}
    want = {keys[encoder.name]: encoder.width for encoder in model.encoders}
    if dict(widths) != want or family not in (None, model.family):
        raise InvalidEmbedding(
            f"The embedding {name!r} is for {_describe(family, widths)}, "
            f"the model {model.name!r} is {_describe(model.family, {e.name: e.width for e in model.encoders})}.",
            f"Load a checkpoint of {_title(family)}, or take an embedding made for {_title(model.family)}.",
        )
    return keys


def is_of_model(model_hash: str, model_name: str, model: ModelInfo) -> bool | None:
    """Whether what was made on the model of that hash and name was made on `model`; None where nobody knows."""
    # Hashes of another length are of another kind: A1111's of 2022 have 8 digits, of a part of the file alone.
    if model_hash and len(model_hash) == len(model.short_hash):
        return model_hash.casefold() == model.short_hash.casefold()
    return model_name.casefold() == model.name.casefold() if model_name and model.name else None


def _title(family: Family | None) -> str:
    return FAMILY_TITLES[family] if family else "that width"


def _describe(family: Family | None, widths: Mapping[str, int]) -> str:
    sizes = ", ".join(f"{encoder} {width}" for encoder, width in widths.items())
    return f"{FAMILY_TITLES[family]} ({sizes})" if family else f"an unknown model ({sizes})"
