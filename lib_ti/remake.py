"""Embeddings made again for the loaded model, by the recipes that their files carry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from lib_ti.config.embeddings import CreateConfig, MergeConfig, RemakeConfig
from lib_ti.config.options import build_config, labels
from lib_ti.create import create_embedding
from lib_ti.embedding.embedding import Embedding
from lib_ti.embedding.fit import is_of_model
from lib_ti.embedding.name import check_name
from lib_ti.embedding.recipe import remake_obstacle, used_embeddings
from lib_ti.errors import InvalidConfig, InvalidEmbedding, TIError
from lib_ti.formats.files import Header, load_header, save_embedding
from lib_ti.host import TextModel
from lib_ti.library.result import Result
from lib_ti.merge.build import build_merge


@dataclass(frozen=True)
class RemakeResult:
    """What became of one file: what was `made`, or why there is nothing."""

    path: Path
    made: Result | None = None
    fault: str = ""


def remake_files(
    host: TextModel, paths: Sequence[Path], config: RemakeConfig, embeddings: Mapping[str, Embedding]
) -> Iterator[RemakeResult]:
    """Each file as it is done. What names another one of them in its expression takes that one's new form.

    `embeddings` are those that expressions may name. Nothing is overwritten unless `config` says so, and never what was made in
    the same call.
    """
    headers: dict[Path, Header] = {}
    for path in paths:
        try:
            headers[path] = load_header(path)
        except TIError as error:
            yield RemakeResult(path, fault=_report(error))
    fresh, targets = dict[str, Embedding](), set[Path]()
    for path in _in_order(headers):
        try:
            embedding, target = _make_one(host, path, headers[path], config, embeddings, fresh)
            save_embedding(embedding, target, config.overwrite and target not in targets)
        except TIError as error:
            yield RemakeResult(path, fault=_report(error))
        else:
            targets.add(target)
            fresh[headers[path].name] = embedding
            yield RemakeResult(path, Result(target, embedding.family, embedding.rows, embedding.notes))


def remake_embedding(
    host: TextModel,
    header: Header,
    name: str,
    embeddings: Mapping[str, Embedding],
    fresh: Mapping[str, Embedding] | None = None,
) -> Embedding:
    """By the recipe in `header`, on the host's model; its notes tell what is not as it was when the file was made.

    `fresh` are embeddings that were made again before and go over `embeddings`. Raises InvalidEmbedding with the reason where
    the recipe does not suffice, and what merging and creating raise.
    """
    recipe = header.recipe
    if reason := remake_obstacle(recipe):
        raise InvalidEmbedding(reason)
    try:
        if recipe["source"] != "expression":
            known = {key: recipe[key] for key in ("source", "init", "vectors", "seed") if key in recipe}
            return create_embedding(host, build_config(CreateConfig, {"name": name, **known}))
        config = _merge_config(recipe, name)
    except InvalidConfig as error:
        told = error.renamed(labels(CreateConfig) | labels(MergeConfig))
        reasons = "; ".join(str(fault) for fault in told.faults)
        raise InvalidEmbedding(f"Its recipe cannot be followed: {reasons}.") from error
    used, notes = _used(host, header, embeddings, fresh or {})
    part = _part(build_merge(host, config, used), recipe)
    return replace(part, name=name, notes=(*part.notes, *notes))


def _merge_config(recipe: Mapping[str, Any], name: str) -> MergeConfig:
    edits = recipe.get("edits", {})
    over = "split" if "part" in recipe else "crop" if "cropped" in recipe else "refuse"
    values = {"expression": recipe.get("expression", ""), "name": name, "over": over}
    return build_config(MergeConfig, {**(edits if isinstance(edits, Mapping) else {}), **values})


def _used(
    host: TextModel, header: Header, embeddings: Mapping[str, Embedding], fresh: Mapping[str, Embedding]
) -> tuple[dict[str, Embedding], list[str]]:
    """Exactly the embeddings that the expression named, so that no newer one takes over a word of it; and what is odd."""
    model, used, notes = host.model(), dict[str, Embedding](), []
    for name, digest in used_embeddings(header.recipe).items():
        try:
            used[name] = (fresh.get(name) or embeddings[name]).fit_to(model)
        except KeyError:
            hint = "Put that file back, or merge anew without it."
            raise InvalidEmbedding(f"It was made of the embedding {name!r}, which is gone.", hint) from None
        if name in fresh:
            continue
        if digest not in ("", used[name].digest):
            if name == header.name:
                raise InvalidEmbedding("It was made of an older file of its own name, which is gone.")
            notes.append(f"The embedding {name!r} has changed since the file was made.")
        if is_of_model(used[name].model_hash, used[name].model_name, model) is False:
            notes.append(f"The embedding {name!r} in it was made on {used[name].model_name or used[name].model_hash}.")
    return used, notes


def _part(parts: Sequence[Embedding], recipe: Mapping[str, Any]) -> Embedding:
    """The one that the file held, of a result that was split."""
    if "part" not in recipe:
        return parts[0]
    for number, part in enumerate(parts, 1):
        if recipe["part"] == f"{number} of {len(parts)}":
            return part
    raise InvalidEmbedding(f"It was part {recipe['part']}; on this model the result has {len(parts)} parts.")


def _make_one(
    host: TextModel,
    path: Path,
    header: Header,
    config: RemakeConfig,
    embeddings: Mapping[str, Embedding],
    fresh: Mapping[str, Embedding],
) -> tuple[Embedding, Path]:
    """And where it goes."""
    model = host.model()
    name = check_name(
        config.name.replace("[name]", header.name).replace("[model]", re.sub(r"[^\w-]+", "-", model.name).strip("-")),
        "name",
    )
    ending = ".pt" if path.suffix.lower() == ".pt" and len(model.encoders) == 1 else ".safetensors"
    target = (Path(config.folder) if config.folder else path.parent) / (name + ending)
    embedding = remake_embedding(host, header, name, embeddings, fresh)
    if target != path and target.with_suffix("") == path.with_suffix(""):
        note = f"{path.name} is still there: of two files with one name a WebUI keeps whichever it reads last."
        embedding = replace(embedding, notes=(*embedding.notes, note))
    return embedding, target


def _in_order(headers: Mapping[Path, Header]) -> Iterable[Path]:
    """Those that others are made of come first."""
    paths = {header.name: path for path, header in headers.items()}
    needs = {
        path: [paths[name] for name in used_embeddings(header.recipe) if name in paths and paths[name] != path]
        for path, header in headers.items()
    }
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError:
        return list(headers)


def _report(error: TIError) -> str:
    return " ".join(f"{error.message} {error.hint}".split())
