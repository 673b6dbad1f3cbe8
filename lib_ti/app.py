"""App(host): the one facade that tab, CLI and API call. Importing it is cheap: torch comes in with the first real work."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lib_ti.config.embeddings import ConvertConfig, CreateConfig, Grouping, MergeConfig, RemakeConfig
from lib_ti.config.train import TrainConfig
from lib_ti.config.tree import config_values
from lib_ti.control import Control
from lib_ti.errors import Busy, HostError
from lib_ti.events import Emit, ignore
from lib_ti.host import Host, ImageRequest, LateHost, ModelInfo
from lib_ti.jobs.job import Job, Jobs
from lib_ti.library_job import LibraryJob
from lib_ti.picture_folders import PictureFolders

if TYPE_CHECKING:  # `as` hands on the types of what is returned, for faces to name
    from PIL.Image import Image

    from lib_ti.embedding.embedding import Embedding as Embedding
    from lib_ti.expression.evaluate import Dictionary
    from lib_ti.inspect.compare import RowPair as RowPair
    from lib_ti.inspect.compare import Sameness as Sameness
    from lib_ti.inspect.decompose import Decomposition as Decomposition
    from lib_ti.inspect.inspection import Inspection as Inspection
    from lib_ti.inspect.line import Line as Line
    from lib_ti.inspect.table import Table as Table
    from lib_ti.library.conversion import Conversion
    from lib_ti.library.listing import Entry as Entry
    from lib_ti.library.listing import Library
    from lib_ti.library.named import FolderEmbeddings
    from lib_ti.library.result import Result as Result
    from lib_ti.merge.check import Check as Check
    from lib_ti.merge.vectors import Placed
    from lib_ti.remake import RemakeResult as RemakeResult
    from lib_ti.training.plan import Outline as Outline
    from lib_ti.training.plan import Plan as Plan


Source: TypeAlias = "Path | str | Embedding"
"""What can be looked at: a file by its path, typed text, or an embedding that is not saved."""


@cache
def shared_app(make_host: Callable[[], Host]) -> App:
    """One for each kind of host: a WebUI that builds its page anew finds the running job again."""
    return App(make_host())


class App:
    def __init__(self, host: Host) -> None:
        self.host = host
        self.jobs = Jobs()
        self.pictures = PictureFolders(host)
        self.library_job = LibraryJob(host, self.library, self.remake)
        self.submitted: dict[str, Any] = {}
        """The settings of the newest training, which a page that is built anew shows."""
        # Kept from one request to the next. Pages, API and job are threads of their own: a whole is put in place, and what was
        # looked at is what is used.
        self._words: tuple[tuple[str, ...], Dictionary] | None = None
        self._library: Library | None = None
        self._known: tuple[list[Entry], ModelInfo, FolderEmbeddings] | None = None

    def model(self) -> ModelInfo:
        """The loaded model. Raises HostError while the chosen one is not loaded: to look at it is no reason to load it."""
        pending = self.pending_model()
        if pending:
            raise HostError(f"{pending} is chosen, and loaded when it is first needed.")
        return self.host.model()

    def pending_model(self) -> str:
        """The name of the chosen checkpoint while it is not loaded; else ""."""
        return self.host.pending_model() if isinstance(self.host, LateHost) else ""

    def embeddings_folder(self, folder: str = "") -> Path:
        return Path(folder) if folder else self.host.embeddings_folder()

    def templates(self) -> list[str]:
        """Names of the prompt templates: the user's own and ours."""
        from lib_ti.dataset.template import known_templates

        return sorted(known_templates(self.host.template_folders()))

    def create(self, config: CreateConfig) -> Result:
        """Make a new embedding and save it."""
        from lib_ti.create import create_embedding, new_embedding_path
        from lib_ti.formats.files import save_embedding
        from lib_ti.library.result import report_result

        path = new_embedding_path(self.embeddings_folder(config.folder), config, self.host)
        embedding = create_embedding(self.host, config)
        save_embedding(embedding, path, overwrite=config.overwrite)
        self.host.refresh_embeddings()
        return report_result(embedding, path, self.host, self.host.embeddings_folder())

    def check_expression(self, text: str) -> Check:
        """What `text` would give, without computing it: rows and advice, or the error. Quick enough for every keystroke."""
        from lib_ti.merge.check import check_expression

        known = self._known_embeddings(quick=True)
        return check_expression(text, self.host.model(), known.headers, self._dictionary(known))

    def merge(self, config: MergeConfig) -> list[Result]:
        """Evaluate an expression and save it; several files where it is split."""
        from lib_ti.merge.build import save_merge

        known = self._known_embeddings()
        words, library = self._dictionary(known), self.host.embeddings_folder()
        results = save_merge(self.host, config, self.embeddings_folder(config.folder), known, words, library)
        self.host.refresh_embeddings()
        return results

    def build_merge(self, config: MergeConfig) -> list[Embedding]:
        """What `merge` would save, edits and all, without a file; one over 75 vectors is not refused."""
        from lib_ti.merge.build import build_edited
        from lib_ti.merge.edits import fit_to_chunk

        known = self._known_embeddings()
        merged = build_edited(self.host, config, known, self._dictionary(known))
        if config.over == "refuse":
            return [merged]
        return fit_to_chunk(merged, "crop" if config.over == "crop" else "split")

    def remake(self, paths: Sequence[Path], config: RemakeConfig) -> Generator[RemakeResult, None, None]:
        """Make files again for the loaded model by their recipes: each as it is done, or why not."""
        from lib_ti.remake import remake_files

        try:
            yield from remake_files(self.host, paths, config, self._known_embeddings())
        finally:
            self.host.refresh_embeddings()

    def inspect(self, source: Source, by: Grouping = "vectors", nearest: int = 5) -> Inspection:
        """Typed text is an expression where it begins with a quote, else a plain text."""
        from lib_ti.inspect.inspection import inspect_embedding, inspect_typed

        if not isinstance(source, str):
            return inspect_embedding(self._loaded(source), self.host, by, nearest)
        return inspect_typed(source, self.host, self._known_embeddings(), by, nearest)

    def draw_heatmap(self, inspection: Inspection, dark: bool = False) -> bytes:
        """A PNG."""
        from lib_ti.inspect.heatmap import draw_heatmap

        return draw_heatmap(inspection, dark)

    def compare(self, first: Source, second: Source) -> dict[str, list[RowPair]]:
        """Row by row, by encoder."""
        from lib_ti.inspect.compare import compare_embeddings

        return compare_embeddings(self._embedding(first), self._embedding(second))

    def compare_with_text(self, source: Source, text: str, prompt: str = "[name]") -> Sameness:
        """Whether prompts with the embedding mean the same as prompts with `text` in its place. Raises Busy while the model trains."""
        from lib_ti.inspect.compare import compare_with_text

        if self.jobs.snapshot.active:
            raise Busy(
                "The model is training: such a comparison needs it for itself.", "Ask again when the run has ended."
            )
        return compare_with_text(self.host, self._embedding(source), text, prompt)

    def decompose(self, source: Source, most: int = 4) -> Decomposition:
        """The few tokens, at most `most` a vector, that come nearest: an expression to edit and merge again."""
        from lib_ti.inspect.decompose import decompose

        return decompose(self._embedding(source), self.host, self._dictionary(self._known_embeddings()), most)

    def convert(self, sources: Sequence[Path], config: ConvertConfig) -> Conversion:
        """Files and folders into another form, and to another family if one is named."""
        from lib_ti.embedding.families import ClipG
        from lib_ti.library.conversion import convert_files
        from lib_ti.merge.vectors import clip_g_of

        known, words = self._known_embeddings(), config.clip_g
        second = ClipG(words, lambda rows: clip_g_of(words, rows, self.host, known)) if words else None
        out = self.embeddings_folder(config.folder)
        return convert_files(sources, config.form, out, config.wanted_family, second, config.overwrite)

    def library(self, folder: str = "", typed: str = "", quick: bool = False) -> list[Entry]:
        """The embeddings of a folder by their headers, those alone that hold every word of `typed`.

        `quick` is for while one types: the folder is not walked again where nothing in it was made, renamed or deleted.
        """
        from lib_ti.library.listing import filter_entries

        return filter_entries(self._entries(self.embeddings_folder(folder), quick), typed)

    def entry(self, path: Path) -> Entry:
        """What the header of one file tells."""
        from lib_ti.library.listing import read_entry

        return read_entry(path)

    def outline(self, config: TrainConfig) -> Outline:
        """As much of a plan as needs no picture to be opened, which is quick: what can be refused at once is."""
        from lib_ti.training.plan import outline_training

        return outline_training(self.host, config)

    def plan(self, run: TrainConfig | Outline, emit: Emit = ignore) -> Plan:
        """Validate settings and pictures without a step of training: what the run would do, or every fault at once."""
        from lib_ti.training.plan import plan_training

        return plan_training(self.host, run, emit)

    def train(self, run: TrainConfig | Outline | Plan, emit: Emit, control: Control) -> Path:
        """Train in this thread until done or stopped, from where `run` is planned to; the saved embedding's path."""
        from lib_ti.training.plan import Plan
        from lib_ti.training.run import train

        try:
            return train(self.host, run if isinstance(run, Plan) else self.plan(run, emit), emit, control)
        finally:
            self.host.refresh_embeddings()  # a run that fails saves its last good vectors too

    def start_training(self, run: TrainConfig | Outline | Plan) -> Job:
        """`train` in a job of its own. Raises Busy while another job runs."""
        config = run if isinstance(run, TrainConfig) else run.config
        job = self.jobs.start(f"Train {config.embedding.name}", lambda emit, control: self.train(run, emit, control))
        self.submitted = config_values(config)
        return job

    def load_embedding(self, path: Path) -> Embedding:
        from lib_ti.formats.files import load_embedding

        return load_embedding(path)

    def generate(self, request: ImageRequest) -> Image:
        """A picture; expressions in its prompts are evaluated on the loaded model. Raises InvalidText."""
        from lib_ti.expression.prompt import may_hold_expression

        if not may_hold_expression(request.prompt + request.negative):
            return self.host.generate(request)
        from lib_ti.merge.vectors import evaluate_prompts

        known = self._known_embeddings()
        return self.host.generate(*evaluate_prompts(request, self.host, known, self._dictionary(known)))

    def place_expressions(self, prompts: Sequence[str]) -> tuple[list[str], Placed]:
        """For a host that makes its pictures itself: prompts with words in place of the expressions, and what these words
        stand for on the loaded model, [V, D] by word and encoder. Raises InvalidText."""
        from lib_ti.merge.vectors import place_expressions

        known = self._known_embeddings()
        return place_expressions(prompts, self.host, known, self._dictionary(known))

    def count_rows(self, expression: str) -> int:
        """Raises InvalidText."""
        check = self.check_expression(expression)
        if check.error:
            raise check.error
        return check.rows or 0

    def _loaded(self, source: Path | Embedding) -> Embedding:
        return self.load_embedding(source) if isinstance(source, Path) else source

    def _embedding(self, source: Source) -> Embedding:
        """As the loaded model takes it."""
        from lib_ti.expression.parser import parse_expression
        from lib_ti.merge.vectors import build_embedding

        if not isinstance(source, str):
            return self._loaded(source).fit_to(self.host.model())
        return build_embedding(parse_expression(source), source, self.host, self._known_embeddings())

    def _entries(self, folder: Path, quick: bool = False) -> list[Entry]:
        from lib_ti.library.listing import Library

        self._library = self._library or Library()
        return self._library.entries(folder, self.host.log_folder(), quick)

    def _known_embeddings(self, quick: bool = False) -> FolderEmbeddings:
        """By name; `quick` gives the same as last time where neither the model nor the folder has changed."""
        from lib_ti.library.named import FolderEmbeddings

        entries, model = self._entries(self.host.embeddings_folder(), quick), self.host.model()
        kept = self._known
        if kept is None or kept[0] is not entries or kept[1] != model:
            kept = self._known = entries, model, FolderEmbeddings(entries, model)
        return kept[2]

    def _dictionary(self, known: FolderEmbeddings) -> Dictionary:
        """Kept while the names stay the same, for reading them takes longer than all the rest of a check."""
        from lib_ti.expression.evaluate import Dictionary

        kept = self._words
        if kept is None or kept[0] != known.names:
            kept = self._words = known.names, Dictionary(self.host.tokenize, known.names)
        return kept[1]
