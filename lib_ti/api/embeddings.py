"""Routes that make embeddings and look at them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response

from lib_ti.api.answers import (
    AdviceAnswer,
    CheckAnswer,
    ConvertAnswer,
    ConvertedAnswer,
    DecomposeAnswer,
    InspectAnswer,
    ModelAnswer,
    ResultAnswer,
    texts,
)
from lib_ti.api.refusal import CONFLICT, NO_MODEL, UNKNOWN
from lib_ti.api.requests import CheckRequest, ConvertRequest, DecomposeRequest, HeatmapRequest, InspectRequest, Source
from lib_ti.api.schema import BODY, about
from lib_ti.api.values import Values
from lib_ti.config.embeddings import CreateConfig, MergeConfig
from lib_ti.errors import EmbeddingExists, FaultList

if TYPE_CHECKING:
    from lib_ti.app import Result

MIX = "'cat'*0.5 + 'dog'"


def add_embedding_routes(router: APIRouter, values: Values) -> None:
    app = values.app

    @router.get("/model", **about(values, NO_MODEL))
    def model() -> ModelAnswer:
        """The checkpoint that is loaded."""
        return ModelAnswer(**asdict(app.model()))

    @router.post(
        "/create",
        status_code=201,
        **about(
            values,
            CONFLICT,
            NO_MODEL,
            body=CreateConfig,
            example={"name": "my-cat", "init": "cat", "vectors": 2},
        ),
    )
    def create(given: dict[str, Any] = BODY) -> ResultAnswer:
        """Make a new embedding from words, another file, zeros or at random."""
        return result_answer(app.create(values.build(CreateConfig, given)))

    @router.post("/merge/check", **about(values, NO_MODEL, body=CheckRequest, example={"expression": MIX}))
    def check(given: dict[str, Any] = BODY) -> CheckAnswer:
        """What an expression would give, without computing it."""
        found = app.check_expression(values.build(CheckRequest, given).expression)
        return CheckAnswer(
            rows=found.rows,
            advice=[AdviceAnswer(message=one.message, hint=one.hint) for one in found.advice],
            error=str(found.error) if found.error else "",
            span=[found.error.start, found.error.end] if found.error else None,
        )

    example = {"expression": MIX, "name": "catdog"}

    @router.post("/merge", status_code=201, **about(values, CONFLICT, NO_MODEL, body=MergeConfig, example=example))
    def merge(given: dict[str, Any] = BODY) -> list[ResultAnswer]:
        """Evaluate an expression on the loaded model and save it; several files where it is split."""
        return [result_answer(one) for one in app.merge(values.build(MergeConfig, given))]

    def source_of(request: Source) -> Path | str:
        return values.find_file(request.file) if request.file else request.typed

    looks = (UNKNOWN, NO_MODEL)

    @router.post("/inspect", **about(values, *looks, CONFLICT, body=InspectRequest, example={"file": "my-cat.pt"}))
    def inspect(given: dict[str, Any] = BODY) -> InspectAnswer:
        """Figures of every vector and the tokens nearest to it; on request beside another embedding, or a text."""
        request = values.build(InspectRequest, given)
        source = source_of(request)
        seen = app.inspect(source, request.grouping, request.nearest).values()
        if request.other:
            other = request.other if "'" in request.other else values.find_file(request.other, "other")
            pairs = app.compare(source, other)
            seen["compared"] = {encoder: [asdict(pair) for pair in rows] for encoder, rows in pairs.items()}
        if request.same_as:
            same = app.compare_with_text(source, request.same_as)
            seen["same_as"] = {**asdict(same), "same": same.same}
        return InspectAnswer(**seen)

    @router.post(
        "/inspect/heatmap",
        response_class=Response,
        **about(values, *looks, body=HeatmapRequest, example={"typed": MIX}, picture="The vectors as a PNG."),
    )
    def heatmap(given: dict[str, Any] = BODY) -> Response:
        """The vectors as a picture."""
        request = values.build(HeatmapRequest, given)
        return Response(app.draw_heatmap(app.inspect(source_of(request)), request.dark), media_type="image/png")

    @router.post("/decompose", **about(values, *looks, body=DecomposeRequest, example={"file": "my-cat.pt"}))
    def decompose(given: dict[str, Any] = BODY) -> DecomposeAnswer:
        """Explain an embedding by few tokens, as an expression to edit and merge again."""
        request = values.build(DecomposeRequest, given)
        return DecomposeAnswer(**asdict(app.decompose(source_of(request), request.most)))

    @router.post(
        "/convert",
        status_code=201,
        **about(values, UNKNOWN, CONFLICT, NO_MODEL, body=ConvertRequest, example={"file": "my-cat.pt", "to": "png"}),
    )
    def convert(given: dict[str, Any] = BODY) -> ConvertAnswer:
        """A file into another form or for the other family; a LoRA's bundled embeddings become a file each."""
        request = values.build(ConvertRequest, given)
        done = app.convert([values.find_file(request.file)], request)
        if not done.written:
            raise (WouldOverwrite if done.only_taken else Unconverted)(done.faults)
        return ConvertAnswer(
            written=[ConvertedAnswer(file=str(one.target), notes=list(one.notes)) for one in done.written],
            faults=texts(done.faults),
        )


def result_answer(made: Result) -> ResultAnswer:
    return ResultAnswer(file=str(made.path), family=made.family, vectors=made.vectors, notes=list(made.notes))


class Unconverted(FaultList):
    title = "This could not be converted:"


class WouldOverwrite(Unconverted, EmbeddingExists):
    pass
