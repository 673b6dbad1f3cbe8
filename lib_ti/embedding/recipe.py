"""How an embedding was made, in a few words. Recipes come out of files: nothing in them is taken for granted."""

from collections.abc import Iterator, Mapping
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
            return ", ".join([str(recipe.get("expression", "")), *_edits(recipe)])
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


def _edits(recipe: Mapping[str, Any]) -> Iterator[str]:
    edits = _object(recipe, "edits")
    if "arc_to" in edits:
        yield f"{edits.get('share', '')} of the way to {edits['arc_to']}"
    if edits.get("drop_zeros"):
        yield "zero vectors dropped"
    if edits.get("collapse"):
        yield "collapsed to one vector"
    if length := edits.get("length"):
        yield "as long as the vocabulary's" if length == -1 else f"length {length}"
    if "cropped" in recipe:
        yield f"cropped to {recipe['cropped']}"
    if "part" in recipe:
        yield f"part {recipe['part']}"


def remake_obstacle(recipe: Mapping[str, Any]) -> str:
    """Why an embedding cannot be made again by its recipe alone on another model; "" where it can."""
    if "training" in recipe:
        return "It was trained, and only training makes it again."
    match recipe.get("source"):
        case "expression" | "text" | "zeros" | "random":
            return ""
        case "embedding":
            return "It holds vectors of another file, which are the same on every model."
        case "conversion":
            return "It was converted from another file; make that one again, and convert it anew."
    return "Its file does not say how it was made."


def used_embeddings(recipe: Mapping[str, Any]) -> dict[str, str]:
    """The embeddings that an expression named: digests by name; "" where an older file kept the names alone."""
    used = recipe.get("embeddings")
    if isinstance(used, Mapping):
        return {str(name): str(digest) for name, digest in used.items()}
    return {str(name): "" for name in used} if isinstance(used, list) else {}


def _describe_training(recipe: Mapping[str, Any]) -> str:
    pictures = recipe.get("pictures")
    words = f"trained on {pictures} picture{'' if pictures == 1 else 's'}" if type(pictures) is int else "trained"
    start = _describe(_object(recipe, "start"))
    init = _object(recipe, "training").get("embedding.init")
    if start:
        return f"{words} from {start}"
    return f"{words} from text {init!r}" if init else words


def _object(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = values.get(key)
    return value if isinstance(value, Mapping) else {}
