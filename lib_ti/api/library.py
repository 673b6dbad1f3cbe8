"""Routes that list the embeddings, and remake them for the loaded model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import FileResponse

from lib_ti.api.answers import ENTRY, HEADER, LIBRARY, REMADE, REMAKE
from lib_ti.api.refusal import CONFLICT, NO_MODEL, UNKNOWN
from lib_ti.api.requests import RemakeRequest, StopRequest
from lib_ti.api.schema import BODY, about
from lib_ti.api.training import failure_answer
from lib_ti.api.values import NotFound, NotRunning, Values
from lib_ti.errors import TIError
from lib_ti.host import ModelInfo

if TYPE_CHECKING:
    from lib_ti.app import Entry


_NOSNIFF = {"X-Content-Type-Options": "nosniff"}  # a browser must not take a stranger's file for a page
_PICTURES = {".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


def add_library_routes(router: APIRouter, values: Values) -> None:
    app = values.app

    @router.get("/library", **about(values, answer=LIBRARY))
    def library(filter: str = "") -> Any:  # noqa: A002 - the parameter's word
        """The embeddings of the folder, by their headers; `filter`: words that must all stand somewhere in an entry."""
        found, now = app.library(typed=filter), loaded()
        listed = [ENTRY.of(entry, **of_header(entry, now)) for entry in found if values.may_read(entry.path)]
        return LIBRARY.of(None, folder=app.embeddings_folder(), embeddings=listed)

    @router.get("/library/file", **about(values, UNKNOWN, answer=HEADER))
    def header(file: str) -> Any:
        """All that is known of one file without its numbers."""
        entry = find(file)
        about_it: dict[str, Any] = {"layout": "", "widths": {}, "recipe_full": {}, "token_tables": {}, "notes": []}
        if entry.header:
            about_it = {
                "layout": entry.header.layout,
                "widths": entry.header.widths,
                "recipe_full": entry.header.recipe,
                "token_tables": entry.header.token_tables,
                "notes": entry.header.notes,
            }
        return HEADER.of(entry, **of_header(entry, loaded()), **about_it)

    picture = "The picture that WebUIs show for the embedding."

    @router.get("/library/thumbnail", response_class=FileResponse, **about(values, UNKNOWN, picture=picture))
    def thumbnail(file: str) -> FileResponse:
        """The picture beside one file, or the file itself where the embedding is a picture."""
        path = find(file).thumbnail
        if path is None or not values.may_read(path):
            raise NotFound(f"{file} has no picture.", "NAME.preview.png beside the file would be one.", "file")
        return FileResponse(path, media_type=_PICTURES[path.suffix.lower()], headers=_NOSNIFF)

    def loaded() -> ModelInfo | None:
        try:
            return app.model()
        except TIError:  # the list is of use without a model too
            return None

    def find(file: str) -> Entry:
        path = values.find_file(file)
        for entry in app.library():
            if entry.path.samefile(path):
                return entry
        raise NotFound(f"{file} is no embedding of the library.", "GET library lists the files.", "file")

    def of_header(entry: Entry, model: ModelInfo | None) -> dict[str, Any]:
        header = entry.header
        return {
            "vectors": header.rows if header else None,
            "step": header.step if header else None,
            "made_on": header.model_name if header else "",
            "made_on_hash": header.model_hash if header else "",
            "match": entry.match(model) if model else None,
            "thumbnail": entry.thumbnail is not None,
        }


def add_remake_routes(router: APIRouter, values: Values) -> None:
    library_job, host = values.app.library_job, values.app.host
    example = {"filter": "merges", "name": "[name]-[model]"}

    starts = about(values, CONFLICT, NO_MODEL, answer=REMAKE, status=202, body=RemakeRequest, example=example)
    stops = about(values, CONFLICT, answer=REMAKE, body=StopRequest, example={"action": "stop"})

    @router.post("/again/start", **starts)
    def start(given: dict[str, Any] = BODY) -> Any:
        """Make the library's files of other models again by their recipes, which goes on by itself."""
        request = values.build(RemakeRequest, given)
        host.model()  # what would fail at once is refused here, with its status
        library_job.start(request, request.filter, values.may_read)
        return answer()

    @router.get("/again/status", **about(values, answer=REMAKE))
    def status() -> Any:
        """How far that is, and what came of every file."""
        return answer()

    @router.post("/again/control", **stops)
    def control(given: dict[str, Any] = BODY) -> Any:
        """Stop it after the file in progress."""
        values.build(StopRequest, given)
        job = library_job.jobs.current
        if job is None or not job.active:
            raise NotRunning("No files are being made again.", "Start it first.")
        job.control.stop()
        return answer()

    def answer() -> dict[str, Any]:
        snapshot, progress = library_job.jobs.snapshot, library_job.progress
        return REMAKE.of(
            snapshot,
            total=progress.total,
            done=len(progress.done),
            seconds_left=progress.seconds_left,
            files=[REMADE.of(one, file=one.path) for one in progress.done],
            failure=failure_answer(library_job.jobs),
        )
