"""App(host): the one facade that tab, CLI and API call. Importing it is cheap: torch comes in with the first real work."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lib_ti.config.describe import DescribeConfig
from lib_ti.config.embeddings import ConvertConfig, CreateConfig, Grouping, MergeConfig, RemakeConfig
from lib_ti.config.options import config_values
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.description_job import DescriptionJob
from lib_ti.errors import Busy, HostError
from lib_ti.events import Emit, Warned, ignore
from lib_ti.host import Host, ImageRequest, LateHost, ModelInfo
from lib_ti.jobs.job import Job, Jobs
from lib_ti.known_embeddings import KnownEmbeddings
from lib_ti.library_job import LibraryJob
from lib_ti.picture_folders import PictureFolders

if TYPE_CHECKING:  # `as` hands on the types of what is returned, for faces to name
    from PIL.Image import Image

    from lib_ti.embedding.embedding import Embedding as Embedding
    from lib_ti.inspect.facts import Decomposition as Decomposition
    from lib_ti.inspect.facts import RowPair as RowPair
    from lib_ti.inspect.facts import Sameness as Sameness
    from lib_ti.inspect.facts import Table as Table
    from lib_ti.inspect.inspection import Inspection as Inspection
    from lib_ti.inspect.line import Line as Line
    from lib_ti.library.conversion import Conversion
    from lib_ti.library.listing import Entry as Entry
    from lib_ti.library.result import Result as Result
    from lib_ti.merge.check import Check as Check
    from lib_ti.merge.vectors import Placed
    from lib_ti.remake import RemakeResult as RemakeResult
    from lib_ti.training.description import Description as Description
    from lib_ti.training.description import FoundWord as FoundWord
    from lib_ti.training.plan import Outline as Outline
    from lib_ti.training.plan import Plan as Plan


Source: TypeAlias = "Path | str | Embedding"
"""What can be looked at: a file by its path, typed text, or an embedding that is not saved."""


@cache
def shared_app(make_host: Callable[[], Host]) -> App:
    """The one App of a kind of host, by the function that makes it: a WebUI that builds its page anew finds the running job again."""
    return App(make_host())


class App:
    """All that TI Lab does, on one host and the model that it has loaded.

    Settings come as config objects, which `build_config` makes of what a form, a command or a request holds. Whatever a user may
    have got wrong is a `TIError`; anything else that is raised is a bug. Except for `start_training` and what belongs to jobs,
    methods work in the caller's thread until they are done.

    Args:
        host: What has the model: an adapter's host, or any other that answers the protocols of `lib_ti.host`.

    Attributes:
        host: As given.
        jobs: Trainings, one at a time; `jobs.snapshot` is what a page shows of the newest.
        pictures: What is done with folders of pictures, in jobs apart from training.
        library_job: A whole library remade for the loaded model, in a job apart from training.
        description_job: Pictures described in the model's own words, in a job that never runs beside a training.
        submitted: The settings of the newest training by dotted path, which a page that is built anew shows.

    Example:
        >>> from lib_ti.adapters.detect import open_standalone
        >>> app = App(open_standalone("demo", "cpu", "fp32", Path("outputs"), Path("outputs/logs")))
        >>> app.create(CreateConfig("my-cat", init="cat", vectors=2)).path
        PosixPath('outputs/my-cat.safetensors')
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.jobs = Jobs()
        self.pictures = PictureFolders(host)
        self.library_job = LibraryJob(host, self.library, self.remake)
        self.description_job = DescriptionJob(self.jobs, self.describe)
        self.submitted: dict[str, Any] = {}
        self._known = KnownEmbeddings(host)

    def model(self) -> ModelInfo:
        """The loaded model. Raises HostError while the chosen one is not loaded: to look at it is no reason to load it."""
        pending = self.pending_model()
        if pending:
            raise HostError(
                f"{pending} is chosen, and loaded when it is first needed.",
                "The first picture loads it; so does to create, merge, inspect or train.",
            )
        return self.host.model()

    def pending_model(self) -> str:
        """The name of the chosen checkpoint while it is not loaded (a host may wait until it is needed); else ""."""
        return self.host.pending_model() if isinstance(self.host, LateHost) else ""

    def embeddings_folder(self, folder: str = "") -> Path:
        """`folder` as a path, or the host's own embeddings folder where it is empty."""
        return Path(folder) if folder else self.host.embeddings_folder()

    def templates(self) -> list[str]:
        """Names of the prompt templates, sorted: the user's own and ours."""
        from lib_ti.dataset.template import known_templates

        return sorted(known_templates(self.host.template_folders()))

    def create(self, config: CreateConfig) -> Result:
        """Make a new embedding of words, of another file, of zeros or at random, and save it; prompts know it at once.

        Args:
            config: Its name, its start and where it goes.

        Returns:
            The file, its family and rows, and notes such as which words found no room.

        Raises:
            InvalidConfig: The name cannot be a file's or a prompt's word, the words are none, or the family has no such file form.
            InvalidEmbedding: The file to start from cannot be read, or does not fit the model.
            EmbeddingExists: A file of this name is there, and `config.overwrite` is not set.
            HostError: No model is loaded.

        Example:
            >>> app.create(CreateConfig("my-cat", init="cat", vectors=2)).vectors
            2
        """
        from lib_ti.create import create_embedding, new_embedding_path
        from lib_ti.formats.files import save_embedding
        from lib_ti.library.result import make_known, report_result

        path = new_embedding_path(self.embeddings_folder(config.folder), config, self.host)
        embedding = create_embedding(self.host, config)
        save_embedding(embedding, path, overwrite=config.overwrite)
        result = report_result(embedding, path, self.host, self.host.embeddings_folder())
        return result.noted(*make_known(self.host))

    def check_expression(self, text: str) -> Check:
        """What an expression would give, without computing it. Quick enough for every keystroke.

        Args:
            text: An expression, such as ``"'cat'*0.5 + 'dog'"``.

        Returns:
            The number of rows and advice on what may not be meant, or the InvalidText that evaluating it would raise, as `error`.
        """
        from lib_ti.merge.check import check_expression

        known = self._known.by_name(quick=True)
        return check_expression(text, self.host.model(), known.headers, self._known.dictionary(known))

    def merge(self, config: MergeConfig) -> list[Result]:
        """Evaluate an expression on the loaded model, edit the result, and save it; prompts know it at once.

        Args:
            config: The expression, the edits (arc, zero rows, collapse, length), and the file's name, folder and form.

        Returns:
            One result a file: several where `config.over` is "split" and there are over 75 rows.

        Raises:
            InvalidText: The expression cannot be read or evaluated; the error has the place.
            InvalidConfig: The result has over 75 rows and is not to be cropped or split, or the name cannot be used.
            EmbeddingExists: A file of this name is there, and `config.overwrite` is not set.

        Example:
            >>> app.merge(MergeConfig("'cat'*0.5 + 'dog'", "catdog"))[0].vectors
            1
        """
        from lib_ti.library.result import make_known
        from lib_ti.merge.build import save_merge

        known = self._known.by_name()
        words, library = self._known.dictionary(known), self.host.embeddings_folder()
        results = save_merge(self.host, config, self.embeddings_folder(config.folder), known, words, library)
        notes = make_known(self.host)
        return [result.noted(*notes) for result in results]

    def build_merge(self, config: MergeConfig) -> list[Embedding]:
        """What `merge` would save, edits and all, without a file.

        Args:
            config: As for `merge`; its name is given to the result.

        Returns:
            One embedding a file. Over 75 rows are shown whole where `merge` would refuse them. Raises InvalidText.
        """
        from lib_ti.merge.build import build_edited
        from lib_ti.merge.edits import fit_to_chunk

        known = self._known.by_name()
        merged = build_edited(self.host, config, known, self._known.dictionary(known))
        if config.over == "refuse":
            return [merged]
        return fit_to_chunk(merged, "crop" if config.over == "crop" else "split")

    def remake(self, paths: Sequence[Path], config: RemakeConfig) -> Generator[RemakeResult, None, None]:
        """Make files again for the loaded model, by the recipes that they carry.

        Args:
            paths: Files that were merged or created. What others are made of is remade first.
            config: Name (with ``[name]`` and ``[model]``) and folder of the new files, and whether they replace others.

        Yields:
            What became of each file as it is done: its new form, or the fault. Close the generator to stop early; prompts know
            what is done by then.
        """
        from lib_ti.library.result import make_known
        from lib_ti.remake import remake_files

        try:
            yield from remake_files(self.host, paths, config, self._known.by_name())
        finally:
            make_known(self.host)

    def inspect(self, source: Source, by: Grouping = "vectors", nearest: int = 5) -> Inspection:
        """What vectors are like: figures of every line, and the tokens nearest to every vector.

        Args:
            source: A file, an embedding, or typed text: an expression where that begins with a quote, else a prompt, with
                expressions between brackets.
            by: What has a line of its own; files and expressions know "none" and "vectors" alone.
            nearest: How many tokens to name for each vector.

        Returns:
            The vectors, [V, D] float32 by encoder, and a table for each encoder.

        Raises:
            InvalidText: The text is empty, or the expression cannot be evaluated.
            InvalidEmbedding: The file cannot be read, or does not fit the loaded model.

        Example:
            >>> app.inspect("'cat'", nearest=1).tables[0].rows[0].nearest[0].text
            'cat'
        """
        from lib_ti.inspect.inspection import inspect_embedding, inspect_typed

        if not isinstance(source, str):
            return inspect_embedding(self._loaded(source), self.host, by, nearest)
        return inspect_typed(source, self.host, self._known.by_name(), by, nearest)

    def draw_heatmap(self, inspection: Inspection, dark: bool = False) -> bytes:
        """The vectors as a heat map with bars: the bytes of a PNG, on a light or a `dark` ground. Raises TIError without matplotlib."""
        from lib_ti.inspect.heatmap import draw_heatmap

        return draw_heatmap(inspection, dark)

    def compare(self, first: Source, second: Source) -> dict[str, list[RowPair]]:
        """Two embeddings, row by row.

        Args:
            first, second: Files, expressions or embeddings, each fitted to the loaded model.

        Returns:
            By encoder, as many pairs as both have rows: cosine (None beside a row of zeros), L2 distance and both L2 lengths.

        Raises:
            InvalidEmbedding, InvalidText: One of them cannot be read, evaluated, or fitted.
        """
        from lib_ti.inspect.compare import compare_embeddings

        return compare_embeddings(self._embedding(first), self._embedding(second))

    def compare_with_text(self, source: Source, text: str, prompt: str = "[name]") -> Sameness:
        """Whether prompts with an embedding mean the same to the model as prompts with a text in its place.

        Args:
            source: A file, an expression or an embedding.
            text: What may mean the same.
            prompt: Has ``[name]`` where either is put.

        Returns:
            The largest difference of the conditioning and the largest number in it, by the host's keys; `same` to within what
            half precision rounds.

        Raises:
            Busy: The model is training, and such a comparison needs it for itself.
            InvalidText: The prompt has no ``[name]``, or the model does not see all vectors of it.
        """
        from lib_ti.inspect.compare import compare_with_text

        if self.jobs.snapshot.active:
            raise Busy(
                "The model is training: such a comparison needs it for itself.", "Ask again when the run has ended."
            )
        return compare_with_text(self.host, self._embedding(source), text, prompt)

    def decompose(self, source: Source, most: int = 4) -> Decomposition:
        """The few tokens whose weighted sum comes nearest to each vector.

        Args:
            source: A file, an expression or an embedding.
            most: Tokens a vector, at most.

        Returns:
            An expression to edit and merge again, and by encoder the share of each vector's length that it leaves unexplained.
        """
        from lib_ti.inspect.decompose import decompose

        return decompose(self._embedding(source), self.host, self._known.dictionary(self._known.by_name()), most)

    def describe(self, config: DescribeConfig, emit: Emit = ignore, control: Control | None = None) -> Description:
        """The words in which the loaded model itself says most of some pictures.

        Args:
            config: Their folder, how many words, and how long to search.
            emit: Hears how far the search is; `control.stop()` ends it with the words found by then.

        Returns:
            The words in order, with their losses, and an expression of just their vectors to edit and merge. Raises InvalidConfig
            and InvalidDataset with every fault; TrainingFailed and HostError where the search cannot go on.
        """
        from lib_ti.training.describe import describe

        return describe(self.host, config, self._known.dictionary(self._known.by_name()), emit, control)

    def convert(self, sources: Sequence[Path], config: ConvertConfig) -> Conversion:
        """Files and folders into another form, and to another family if one is named.

        Args:
            sources: Files; folders with all that is under them. A LoRA's bundled embeddings become a file each.
            config: Form, family, folder; SDXL's clip_g is zero, or made of the words `config.clip_g` on the loaded model.

        Returns:
            What was written, with notes of what was lost or assumed, and a fault for what could not be: nothing is raised for it.
        """
        from lib_ti.embedding.families import ClipG
        from lib_ti.library.conversion import convert_files
        from lib_ti.merge.vectors import clip_g_of

        known, words = self._known.by_name(), config.clip_g
        second = ClipG(words, lambda rows: clip_g_of(words, rows, self.host, known)) if words else None
        out = self.embeddings_folder(config.folder)
        return convert_files(sources, config.form, out, config.wanted_family, second, config.overwrite)

    def library(self, folder: str = "", typed: str = "", quick: bool = False) -> list[Entry]:
        """The embeddings of a folder and of those in it, by their headers; copies of runs are left out.

        Args:
            folder: Empty is the host's own.
            typed: Words that must all stand somewhere in an entry: in its name, model, recipe …
            quick: For while one types: the folder is not walked again where nothing in it was made, renamed or deleted.

        Returns:
            One entry a file; a file that cannot be read is one too, with its fault.
        """
        from lib_ti.library.listing import filter_entries

        return filter_entries(self._known.entries(self.embeddings_folder(folder), quick), typed)

    def entry(self, path: Path) -> Entry:
        """What the header of one file tells; a fault is told in the entry."""
        from lib_ti.library.listing import read_entry

        return read_entry(path)

    def outline(self, config: TrainConfig) -> Outline:
        """As much of a plan as needs no picture to be opened: what can be refused at once is.

        Args:
            config: All settings of the run.

        Returns:
            What `plan`, `train` and `start_training` take in the place of the config, so that nothing is done twice.

        Raises:
            InvalidConfig: Settings do not go together with the model or with an earlier run.
            InvalidDataset: Template or folder cannot be used, with every fault of them.
            EmbeddingExists: A trained embedding of this name would be lost.
            InvalidEmbedding: The one to go on from cannot be read, or does not fit the model.
            NothingLeft: The run that is to be resumed has done all its steps.
            Busy: Another process trains an embedding of this name.
            HostError: No model is loaded.
        """
        from lib_ti.training.plan import outline_training

        return outline_training(self.host, config)

    def plan(self, run: TrainConfig | Outline, emit: Emit = ignore) -> Plan:
        """Validate settings and pictures without a step of training: every picture is decoded once.

        Args:
            run: All settings of the run, or their outline.
            emit: Hears how far the pictures are.

        Returns:
            What the run would do; `plan.lines()` says it in words. `train` takes it as it is, while no other run has come between.

        Raises:
            InvalidDataset, InvalidConfig: With every fault of every picture, besides what `outline` raises.

        Example:
            >>> plan = app.plan(build_config(TrainConfig, {"embedding.name": "my-cat", "data.folder": "pictures"}))
            >>> plan.first_step, plan.last_step
            (0, 100000)
        """
        from lib_ti.training.plan import plan_training

        return plan_training(self.host, run, emit)

    def train(self, run: TrainConfig | Outline | Plan, emit: Emit, control: Control) -> Path | None:
        """Train in this thread until the last step, or until `control.stop()`.

        Args:
            run: A plan, or what one is made of first.
            emit: Is called with every event, from this thread.
            control: Tells the run from any thread to stop, pause, save a copy or draw a preview.

        Returns:
            The path of the embedding, which is saved if a step was taken; None where it was stopped while pictures were checked.

        Raises:
            InvalidConfig, InvalidDataset, EmbeddingExists, InvalidEmbedding, Busy: As `plan`, before anything is written.
            TrainingFailed: It cannot go on; the last good vectors are saved.
            HostError: The host cannot go on, or has another model by now.
        """
        from lib_ti.library.result import make_known
        from lib_ti.training.run import train

        try:
            return train(self.host, run, emit, control)
        finally:
            for note in make_known(self.host):  # a run that fails saves its last good vectors too
                emit(Warned(note))

    def start_training(self, run: TrainConfig | Outline | Plan) -> Job:
        """`train` in a job of its own, which nothing but `job.control` and the program's end stops.

        Args:
            run: A plan, or what one is made of first, in the job.

        Returns:
            The job: `job.snapshot` at any time, `job.wait()` for its end, `job.error` for what it raised. Raises Busy.
        """
        config = run if isinstance(run, TrainConfig) else run.config
        self.description_job.jobs.check_idle()
        job = self.jobs.start(f"Train {config.embedding.name}", lambda emit, control: self.train(run, emit, control))
        self.submitted = config_values(config)
        return job

    def load_embedding(self, path: Path) -> Embedding:
        """A file of any layout: its vectors are [V, D] float32 by encoder. Raises InvalidEmbedding."""
        from lib_ti.formats.files import load_embedding

        return load_embedding(path)

    def generate(self, request: ImageRequest) -> Image:
        """An RGB picture, by prompts that may name embeddings and hold expressions.

        Args:
            request: Prompts, size in pixels (0 is the model's own), seed and sampler.

        Raises:
            InvalidText: An expression in a prompt cannot be evaluated on the loaded model.
        """
        from lib_ti.expression.prompt import may_hold_expression

        if not may_hold_expression(request.prompt + request.negative):
            return self.host.generate(request)
        from lib_ti.merge.vectors import evaluate_prompts

        known = self._known.by_name()
        return self.host.generate(*evaluate_prompts(request, self.host, known, self._known.dictionary(known)))

    def place_expressions(self, prompts: Sequence[str]) -> tuple[list[str], Placed]:
        """For a host that makes its pictures itself: `prompts` with words in place of their expressions, and what these words
        stand for on the loaded model, [V, D] float32 by word and encoder. Raises InvalidText.
        """
        from lib_ti.merge.vectors import place_expressions

        known = self._known.by_name()
        return place_expressions(prompts, self.host, known, self._known.dictionary(known))

    def count_rows(self, expression: str) -> int:
        """Of the result of an expression, which is not computed. Raises InvalidText."""
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
        return build_embedding(parse_expression(source), source, self.host, self._known.by_name())
