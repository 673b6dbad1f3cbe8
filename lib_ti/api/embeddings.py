"""Routes that make embeddings and look at them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response

from lib_ti.api.answers import CHECK, CONVERSION, CONVERTED, DECOMPOSED, INSPECTION, MODEL, RESULT, many, plain
from lib_ti.api.refusal import CONFLICT, NO_MODEL, UNKNOWN
from lib_ti.api.requests import CheckRequest, ConvertRequest, DecomposeRequest, HeatmapRequest, InspectRequest, Source
from lib_ti.api.schema import BODY, about
from lib_ti.api.values import Values
from lib_ti.config.embeddings import CreateConfig, MergeConfig
from lib_ti.errors import EmbeddingExists, FaultList

MIX = "'cat'*0.5 + 'dog'"


def add_embedding_routes(router: APIRouter, values: Values) -> None:
    app = values.app

    @router.get("/model", **about(values, NO_MODEL, answer=MODEL))
    def model() -> Any:
        """The checkpoint that is loaded."""
        return plain(app.model())

    @router.post(
        "/create",
        **about(
            values,
            CONFLICT,
            NO_MODEL,
            answer=RESULT,
            status=201,
            body=CreateConfig,
            example={"name": "my-cat", "init": "cat", "vectors": 2},
        ),
    )
    def create(given: dict[str, Any] = BODY) -> Any:
        """Make a new embedding from words, another file, zeros or at random."""
        return plain(app.create(values.build(CreateConfig, given)))

    @router.post(
        "/merge/check", **about(values, NO_MODEL, answer=CHECK, body=CheckRequest, example={"expression": MIX})
    )
    def check(given: dict[str, Any] = BODY) -> Any:
        """What an expression would give, without computing it."""
        found = app.check_expression(values.build(CheckRequest, given).expression)
        error = found.error
        return CHECK.of(found, error=str(error or ""), span=[error.start, error.end] if error else None)

    example = {"expression": MIX, "name": "catdog"}
    saves = about(values, CONFLICT, NO_MODEL, answer=many(RESULT), status=201, body=MergeConfig, example=example)

    @router.post("/merge", **saves)
    def merge(given: dict[str, Any] = BODY) -> Any:
        """Evaluate an expression on the loaded model and save it; several files where it is split."""
        return plain(app.merge(values.build(MergeConfig, given)))


def add_inspect_routes(router: APIRouter, values: Values) -> None:
    app = values.app

    def source_of(request: Source) -> Path | str:
        return values.find_file(request.file) if request.file else request.typed

    looks, file = (UNKNOWN, NO_MODEL), {"file": "my-cat.pt"}

    @router.post("/inspect", **about(values, *looks, CONFLICT, answer=INSPECTION, body=InspectRequest, example=file))
    def inspect(given: dict[str, Any] = BODY) -> Any:
        """Figures of every vector and the tokens nearest to it; on request beside another embedding, or a text."""
        request = values.build(InspectRequest, given)
        source = source_of(request)
        seen = app.inspect(source, request.grouping, request.nearest)
        compared = same = None
        if request.other:
            other = request.other if "'" in request.other else values.find_file(request.other, "other")
            compared = app.compare(source, other)
        if request.same_as:
            same = app.compare_with_text(source, request.same_as)
        return INSPECTION.of(seen, encoders=seen.tables, compared=compared, same_as=same)

    @router.post(
        "/inspect/heatmap",
        response_class=Response,
        **about(values, *looks, body=HeatmapRequest, example={"typed": MIX}, picture="The vectors as a PNG."),
    )
    def heatmap(given: dict[str, Any] = BODY) -> Response:
        """The vectors as a picture."""
        request = values.build(HeatmapRequest, given)
        return Response(app.draw_heatmap(app.inspect(source_of(request)), request.dark), media_type="image/png")

    @router.post("/decompose", **about(values, *looks, answer=DECOMPOSED, body=DecomposeRequest, example=file))
    def decompose(given: dict[str, Any] = BODY) -> Any:
        """Explain an embedding by few tokens, as an expression to edit and merge again."""
        request = values.build(DecomposeRequest, given)
        return plain(app.decompose(source_of(request), request.most))


def add_convert_route(router: APIRouter, values: Values) -> None:
    @router.post(
        "/convert",
        **about(
            values,
            UNKNOWN,
            CONFLICT,
            NO_MODEL,
            answer=CONVERSION,
            status=201,
            body=ConvertRequest,
            example={"file": "my-cat.pt", "to": "png"},
        ),
    )
    def convert(given: dict[str, Any] = BODY) -> Any:
        """A file into another form or for the other family; a LoRA's bundled embeddings become a file each."""
        request = values.build(ConvertRequest, given)
        done = values.app.convert([values.find_file(request.file)], request)
        if not done.written:
            raise (WouldOverwrite if done.only_taken else Unconverted)(done.faults)
        written = [CONVERTED.of(one, file=one.target) for one in done.written]
        return CONVERSION.of(done, written=written, faults=[str(fault) for fault in done.faults])


class Unconverted(FaultList):
    title = "This could not be converted:"


class WouldOverwrite(Unconverted, EmbeddingExists):
    pass
