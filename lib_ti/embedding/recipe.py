"""How an embedding was made, in a few words. Recipes come out of files: nothing in them is taken for granted."""

from collections.abc import Mapping
from typing import Any

_LONGEST = 300


def describe_recipe(recipe: Mapping[str, Any]) -> str:
    """One line of printable text; empty where the recipe says nothing that we know."""
    words = _describe(recipe)
    shown = "".join(sign if sign.isprintable() else " " for sign in words[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _describe(recipe: Mapping[str, Any]) -> str:
    if "training" in recipe:
        return _describe_training(recipe)
    match recipe.get("source"):
        case "expression":
            return str(recipe.get("expression", ""))
        case "text":
            return f"text {recipe.get('init', '')!r}"
        case "embedding":
            return f"rows of {recipe.get('file', '')}"
        case "zeros":
            return "zeros"
        case "random":
            return f"random, seed {recipe.get('seed', '')}"
        case "conversion":
            before = _describe(_object(recipe, "recipe"))
            return f"converted from {recipe.get('from', '')}" + (f": {before}" if before else "")
    return ""


def _describe_training(recipe: Mapping[str, Any]) -> str:
    pictures = recipe.get("pictures")
    told = f"trained on {pictures} picture{'' if pictures == 1 else 's'}" if type(pictures) is int else "trained"
    start = _describe(_object(recipe, "start"))
    init = _object(recipe, "training").get("embedding.init")
    if start:
        return f"{told} from {start}"
    return f"{told} from text {init!r}" if init else told


def _object(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = values.get(key)
    return value if isinstance(value, Mapping) else {}
