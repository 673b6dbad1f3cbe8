"""The text that WebUIs keep in a picture, in A1111's form: the prompt's lines, `Negative prompt:` and a last line of settings.

Expressions stay in it as they were typed. The form loses some of what one can type: spaces around each line, empty lines in
front, a line that looks like the negative prompt. Where that happens to prompts with an expression, one more setting keeps
them to the letter. It is believed only where the infotext says the same in its own way, so that an edit by hand wins.

Pictures of the embedding-merge extension hold names (`<'EM_1'>`) and a list of what they stood for; these are read too.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lib_ti.expression.prompt import Brackets, may_hold_expression
from lib_ti.host import ImageRequest, ModelInfo

if TYPE_CHECKING:
    from PIL.Image import Image

PROMPT, NEGATIVE, HIRES_PROMPT, HIRES_NEGATIVE = PROMPTS = (
    "Prompt",
    "Negative prompt",
    "Hires prompt",
    "Hires negative prompt",
)
"""The prompts by the names that A1111 gives them when an infotext is pasted."""

_FIRST_PASS = {HIRES_PROMPT: PROMPT, HIRES_NEGATIVE: NEGATIVE}

EXACT = "TI Lab prompts"
EMBEDDING_MERGE = "EmbeddingMerge"

# A1111 has one pattern for a setting, which takes time with the square of a text without colons; these two read the same.
_KEY = re.compile(r"[\w /-]+(?P<colon>:?)")
_VALUE = re.compile(r'\s*(?P<value>"(?:[^\\"]|\\.)+"|[^,]*)(?:,|$)')
_FEWEST_SETTINGS = 3
_MERGED_NAME = re.compile(r"<'EM_\d+'>|\{'EM_\d+'\}")
_MERGED_ITEM = re.compile(r"(?P<name><'EM_\d+'>|\{'EM_\d+'\})=(?:<|\{)(?=')")


def infotext(request: ImageRequest, model: ModelInfo) -> str:
    """What a picture made by `request` on `model` is to carry."""
    prompts = {PROMPT: request.prompt, NEGATIVE: request.negative}
    settings = {
        "Steps": str(request.steps),
        "Sampler": request.sampler,
        "CFG scale": f"{request.cfg:g}",
        "Seed": str(request.seed),
        "Size": f"{request.width or model.native_size}x{request.height or model.native_size}",
        "Model hash": model.short_hash,
        "Model": model.name,
        "Clip skip": str(request.clip_skip) if request.clip_skip > 1 else "",
    }
    return write_infotext(prompts | {key: value for key, value in settings.items() if value} | exact_prompts(prompts))


def exact_prompts(prompts: Mapping[str, str]) -> dict[str, str]:
    """The setting that a host has to add to its infotext, by name; empty where the prompts survive without."""
    prompts = {key: prompts.get(key, "") for key in PROMPTS}
    for key, first in _FIRST_PASS.items():
        if prompts[key] == prompts[first]:
            prompts[key] = ""  # hosts fill an empty one in, and leave an equal one out of the infotext
    if not any(map(may_hold_expression, prompts.values())) or _as_pasted(prompts) == prompts:
        return {}
    return {EXACT: json.dumps({key: text for key, text in prompts.items() if text})}


def restore_prompts(pasted: Mapping[str, str]) -> dict[str, str]:
    """The prompts as they were typed, of what a host has read from an infotext; only those that differ."""
    typed = _typed_in_embedding_merge(pasted) | _typed_here(pasted)
    return {key: text for key, text in typed.items() if text != pasted.get(key, "")}


def _typed_here(pasted: Mapping[str, str]) -> dict[str, str]:
    try:
        saved = json.loads(pasted.get(EXACT, "{}"))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(saved, dict) or not all(isinstance(text, str) for text in saved.values()):
        return {}
    typed = {key: saved.get(key, "") for key in PROMPTS}
    shown = _as_pasted(typed)
    return {key: text for key, text in typed.items() if shown[key] == pasted.get(key, "")} if saved else {}


def _typed_in_embedding_merge(pasted: Mapping[str, str]) -> dict[str, str]:
    merged = dict(_merged_items(pasted.get(EMBEDDING_MERGE, "")))
    if not merged:
        return {}
    return {key: _MERGED_NAME.sub(lambda m: merged.get(m[0], m[0]), pasted.get(key, "")) for key in PROMPTS}


def _merged_items(text: str) -> Iterator[tuple[str, str]]:
    """Of a list `<'EM_1'>=<'cat'+'dog'>, {'EM_2'}={'fog'*2}`: each name, and what was typed."""
    brackets, position = Brackets(text), 0
    while match := _MERGED_ITEM.search(text, position):
        position = match.end()
        end = brackets.after(position, ">" if match[0][-1] == "<" else "}")
        if end is not None and text[end + 1 : end + 2] in ("", ","):
            yield match["name"], text[position - 1 : end + 1]
            position = end + 1


def _as_pasted(prompts: Mapping[str, str]) -> dict[str, str]:
    settings = {f"Setting {number}": "1" for number in range(_FEWEST_SETTINGS)}
    read = read_infotext(write_infotext({**prompts, **settings}))
    return {key: read.get(key, "") for key in PROMPTS}


def write_infotext(parameters: Mapping[str, str]) -> str:
    """A1111's form of the prompts and settings. A hires prompt equal to its first-pass prompt, or empty, is left out."""
    prompt, negative = parameters.get(PROMPT, ""), parameters.get(NEGATIVE, "")
    settings = {key: value for key, value in parameters.items() if key not in (PROMPT, NEGATIVE)}
    for key, first in _FIRST_PASS.items():
        if settings.get(key) in ("", parameters.get(first, "")):
            del settings[key]
    lines = [prompt, f"{NEGATIVE}: {negative}"] if negative else [prompt]
    return "\n".join([*lines, ", ".join(f"{key}: {_quoted(value)}" for key, value in settings.items())]).strip()


def read_infotext(text: str) -> dict[str, str]:
    """Prompts and settings by name, as A1111 reads them."""
    *lines, last = text.strip().split("\n")
    settings = list(_settings(last))
    if len(settings) < _FEWEST_SETTINGS:
        lines, settings = [*lines, last], []
    read: dict[str, list[str]] = {PROMPT: [], NEGATIVE: []}
    key = PROMPT
    for line in map(str.strip, lines):
        if line.startswith(f"{NEGATIVE}:"):
            key, line = NEGATIVE, line.removeprefix(f"{NEGATIVE}:").strip()
        if line or read[key]:  # empty lines in front are lost
            read[key].append(line)
    prompts = {name: "\n".join(lines) for name, lines in read.items()}
    return prompts | {name: _unquoted(value) for name, value in settings}


def _settings(line: str) -> Iterator[tuple[str, str]]:
    position = 0
    while match := _KEY.search(line, position):
        position = match.end()
        key = match[0].lstrip(" /-")
        if match["colon"] and len(key) > 2:  # two letters and the colon
            value = _VALUE.match(line, position)
            assert value is not None  # the pattern takes every text
            yield key[:-1], value["value"]
            position = value.end()


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(sign in value for sign in ",:\n") else value


def _unquoted(value: str) -> str:
    if value[:1] == '"' and value[-1:] == '"':
        try:
            return str(json.loads(value))
        except ValueError:
            pass
    return value


def png_with_infotext(image: Image, text: str, more: Mapping[str, str] | None = None) -> bytes:
    """A PNG that carries its infotext where WebUIs look for it, in the chunk `parameters`; `more` are further chunks."""
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    for key, value in {"parameters": text, **(more or {})}.items():
        chunks.add_text(key, value)
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=chunks)
    return file.getvalue()
