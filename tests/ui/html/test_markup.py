"""Words of users and of files must arrive as words, never as markup, whatever function of ours puts them on the page."""

import ast
import html
import importlib
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from lib_ti.config.schedule import parse_schedule
from lib_ti.dataset.album import Album, Card
from lib_ti.dataset.dataset import Dataset
from lib_ti.dataset.template import Template
from lib_ti.errors import Fault, visible
from lib_ti.events import Failed, Judged, Measured, PreviewReady, Saved, StepDone
from lib_ti.expression.advice import Advice
from lib_ti.formats.files import Header
from lib_ti.host import EncoderInfo, ModelInfo
from lib_ti.inspect.columns import Figures
from lib_ti.inspect.compare import RowPair, Sameness
from lib_ti.inspect.decompose import Decomposition
from lib_ti.inspect.facts import Nearest, Row, Table
from lib_ti.inspect.inspection import Inspection
from lib_ti.inspect.line import Line
from lib_ti.jobs.history import History
from lib_ti.jobs.snapshot import Snapshot
from lib_ti.library.listing import Entry
from lib_ti.library.result import Result
from lib_ti.library_job import Progress
from lib_ti.merge.check import Check
from lib_ti.remake import RemakeResult
from lib_ti.training.description import Candidate, Description, FoundWord
from lib_ti.ui.html import album, charts, describe, figures, library, notices, remake, run
from lib_ti.ui.html.markup import NOTHING, Html

UI = Path(run.__file__).parents[1]
HTML = sorted((UI / "html").glob("*.py"))
MODULES = [importlib.import_module(f"lib_ti.ui.html.{path.stem}") for path in HTML if path.stem != "__init__"]

EVIL = "\"'><x-evil onerror=alert(1)>&amp;\udcff"
SHOWN = visible(EVIL)

FAULT = Fault(EVIL, EVIL, EVIL)
MODEL = ModelInfo(EVIL, EVIL, "sd1", (EncoderInfo(EVIL, 768, 0),), EVIL, 512)  # type: ignore[arg-type]
STAGES = parse_schedule(", ".join(f"0.{n} cosine:{n}" for n in range(1, 20)))
STEPS = History().add(StepDone(1, 9, 0, 0, 0.1, 0.1, {EVIL: 0.4, "clip_g": 0.5}, 1, 0.1))
MEASURED = Measured(1, 0.1, 0.2, 1, False, 12.0)
PREVIEW = PreviewReady(1, Path("none.png"), EVIL, 7)
RUN = Snapshot(
    *(1, EVIL, "running", EVIL, 0.5),
    run_folder=Path(EVIL),
    step=30,
    last_step=60,
    history=STEPS,
    warnings=(EVIL,) * 5,
    saved=(Saved(1, Path(EVIL), EVIL),),
)
FAILED = Snapshot(1, EVIL, "failed", failure=Failed(EVIL, EVIL, False, EVIL))
STOPPED = Snapshot(1, EVIL, "stopped", result=Path(EVIL), verdicts=(Judged(EVIL, EVIL, EVIL),))
CARD = Card(EVIL, Path(EVIL), EVIL, EVIL, (8, 8), b"jpeg", EVIL)
RESULT = Result(Path(EVIL), "sd1", 1, (EVIL,))
REMADE = (RemakeResult(Path(EVIL), RESULT), RemakeResult(Path(EVIL), None, EVIL))
DESCRIPTION = Description(
    EVIL, 8, 0.2, (FoundWord(1, EVIL, 0.1, 0.5, (Candidate(2, EVIL, 0.1),)),), EVIL, EVIL, 9.0, stopped=True
)
ROW = Row(1.0, True, (Nearest(1, EVIL, 0.5),))
TABLE = Table(EVIL, 6, 1.0, (Figures(*[0.5] * 6),), (ROW,))
HEADER = Header(
    EVIL, EVIL, "sd1", 1, {EVIL: 8}, 3, EVIL, EVIL, {}, {"source": "expression", "expression": EVIL}, EVIL, ()
)
ENTRY = Entry(Path(EVIL) / EVIL, Path(EVIL), EVIL, HEADER, EVIL, None, (Path(EVIL),))
BROKEN = Entry(Path(EVIL) / EVIL, Path(EVIL), EVIL, None, EVIL)

EXAMPLES: dict[Callable[..., Html], Callable[[], Sequence[Html]]] = {
    notices.empty: lambda: [notices.empty(EVIL)],
    notices.soft: lambda: [notices.soft(EVIL)],
    notices.soft_card: lambda: [notices.soft_card(EVIL)],
    notices.heading: lambda: [notices.heading(EVIL)],
    notices.warnings: lambda: [notices.warnings([EVIL, EVIL])],
    notices.results: lambda: [notices.results([RESULT, RESULT], EVIL)],
    notices.failure: lambda: [notices.failure(Failed(EVIL, EVIL, False, EVIL))],
    notices.field_faults: lambda: [notices.field_faults([FAULT, Fault(EVIL, f"{EVIL}\n^")])],
    notices.text_fault: lambda: [notices.text_fault(FAULT)],
    notices.fault_list: lambda: [
        notices.fault_list([FAULT], {EVIL: EVIL}),
        notices.fault_list([FAULT], {EVIL: "label"}),
        notices.fault_list([FAULT], {}),
    ],
    run.model_header: lambda: [run.model_header(replace(MODEL, family=EVIL))],  # type: ignore[arg-type]
    run.pending_model_header: lambda: [run.pending_model_header(EVIL)],
    run.no_model_header: lambda: [run.no_model_header(EVIL)],
    run.progress: lambda: [run.progress(snapshot) for snapshot in (RUN, FAILED, STOPPED)],
    run.bar: lambda: [run.bar(EVIL, 0.5)],
    run.curves: lambda: [run.curves(RUN)],
    run.preview: lambda: [run.preview(PREVIEW)],
    run.strip: lambda: [run.strip([PREVIEW, PREVIEW], 0)],
    run.plan: lambda: [run.plan([EVIL, f"Start: {EVIL}", f"{EVIL}: x"], [EVIL], EVIL)],
    run.log: lambda: [run.log(RUN)],
    run.schedule: lambda: [run.schedule(STAGES, 60, EVIL)],
    run.pulse: lambda: [run.pulse(), run.pulse(3, True)],
    charts.line_chart: lambda: [
        charts.line_chart(
            *(EVIL, [(EVIL, EVIL)], charts.Frame(0, 9, 0, 9), [charts.Line([(1, 2)], EVIL)], [(1, EVIL)], EVIL)
        )
    ],
    charts.loss_chart: lambda: [charts.loss_chart(STEPS, [MEASURED])],
    charts.rate_chart: lambda: [charts.rate_chart(STEPS)],
    charts.norms_chart: lambda: [charts.norms_chart(STEPS)],
    charts.schedule_chart: lambda: [charts.schedule_chart(STAGES, 60)],
    album.album: lambda: [album.album(Album(Path(EVIL), (CARD, CARD), 0, 2, 30, 24), EVIL)],
    album.validation: lambda: [
        album.validation(Dataset((), Template(EVIL, ()), (EVIL,), EVIL), {(64, 64): 3}),
    ],
    album.preparation: lambda: [album.preparation(snapshot) for snapshot in (RUN, FAILED, STOPPED)],
    figures.check: lambda: [figures.check(Check(1, (Advice(EVIL, EVIL, (0, 1)),)))],
    figures.inspection: lambda: [
        figures.inspection(Inspection(EVIL, {}, (Line(0, 1, EVIL),), (TABLE,), (EVIL,), EVIL), b"png", b"png")
    ],
    figures.comparison: lambda: [figures.comparison(EVIL, {EVIL: [RowPair(0.5, 0.5, (1.0, 1.0))]})],
    figures.sameness: lambda: [figures.sameness(Sameness({EVIL: 9.0}, {EVIL: 9.0}))],
    figures.decomposition: lambda: [figures.decomposition(Decomposition(EVIL, {EVIL: [0.5]}))],
    library.library_list: lambda: [
        library.library_list([ENTRY, BROKEN], Path(EVIL), MODEL, EVIL, 2),
        library.library_list([ENTRY], Path(EVIL), None, "", 1),
        library.library_list([], Path(EVIL), MODEL, EVIL, 0),
    ],
    library.origin_card: lambda: [library.origin_card(ENTRY, MODEL), library.origin_card(BROKEN, MODEL)],
    remake.library_job: lambda: [
        remake.library_job(RUN, Progress(4, REMADE, 1.0)),
        remake.library_job(FAILED, Progress()),
        remake.library_job(STOPPED, Progress(4, REMADE, 1.0)),
    ],
    describe.description: lambda: [
        describe.description(RUN, None),
        describe.description(FAILED, None),
        describe.description(STOPPED, DESCRIPTION),
    ],
    remake.remake_faults: lambda: [remake.remake_faults([RemakeResult(Path(EVIL), None, EVIL)])],
}
NO_WORDS = {run.pulse, run.strip, charts.loss_chart, charts.rate_chart, charts.schedule_chart}
"""They show figures alone."""


class Reader(HTMLParser):
    """As a browser reads it: the names of tags and attributes, and all words."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.names: set[str] = set()
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {tag, *(name for name, _ in attrs)}
        self.words += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def functions() -> set[Callable[..., Html]]:
    """All that give HTML to others."""
    found = (inspect.getmembers(module, inspect.isfunction) for module in MODULES)
    return {
        function
        for members in found
        for name, function in members
        if not name.startswith("_") and function.__annotations__.get("return") == "Html"
    }


def test_every_function_that_gives_html_is_tried_with_a_hostile_name():
    assert EXAMPLES.keys() == functions()


@pytest.mark.parametrize("function", EXAMPLES, ids=lambda function: f"{function.__module__}.{function.__name__}")
def test_a_hostile_name_comes_out_as_words(function: Callable[..., Html]):
    for page in EXAMPLES[function]():
        assert isinstance(page, Html)
        assert page.encode()
        read = Reader(str(page))
        assert not {"x-evil", "onerror"} & read.names
        if function not in NO_WORDS:
            assert any(SHOWN in words for words in read.words)


ANYTHING = st.text(st.characters(exclude_categories=()))


@given(ANYTHING)
def test_what_is_put_into_html_is_there_as_it_was_and_is_no_markup(text: str):
    for page in (
        Html("{}").format(text),
        Html("{words}").format(words=text),
        Html("").join([text]),
        Html("") + text,
        text + Html(""),
        Html("{}").each([text]),
        Html("{}").if_any(text),
    ):
        assert isinstance(page, Html)
        assert not re.search("[<>\"']", page)
        assert html.unescape(page) == visible(text)
        page.encode()  # what a page is sent as


def test_html_in_html_stays_and_no_other_markup_is_trusted():
    bold = Html("<b>{}</b>").format("a & b")
    assert Html("<p>{}</p>").format(bold) == "<p><b>a &amp; b</b></p>"
    assert Html("{}").format(Markup("<b>")) == "&lt;b&gt;"
    assert Html("<i>{}</i>").each(["a", bold]) == "<i>a</i><i><b>a &amp; b</b></i>"
    assert Html("<i>{}</i>").if_any("") == Html("<i>{}</i>").if_any(None) == NOTHING


def calls_of_html(tree: ast.AST) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in ("Html", "Markup")]


def literal(call: ast.Call) -> str | None:
    (argument,) = call.args
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else None


@pytest.mark.parametrize("path", sorted(UI.rglob("*.py")), ids=lambda path: str(path.relative_to(UI)))
def test_html_is_made_of_literals_alone_and_in_its_folder_alone(path: Path):
    tree: Any = ast.parse(path.read_text(encoding="utf-8"))
    for call in calls_of_html(tree):
        if path.name == "markup.py" and not call.args:  # NOTHING
            continue
        assert literal(call) is not None, f"line {call.lineno}"
        assert path in HTML or literal(call) == "", f"line {call.lineno}"
    if path not in HTML and path.name != "serve.py":  # which writes the head of a page, of our own script
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        assert not [text.value for text in texts if re.search(r"</?[a-z]+[ >]", text.value)]
