"""Which words of the loaded model say most of some pictures: found by the model itself, one after the other.

A neutral word stands where the next word will. The gradient of the loss at its row promises, to first order, what each row of
the whole token table in its place would change; the few that promise most are compared by their loss, forward only, on the same
pictures, noise and timesteps. Half of them by the gradient at the neutral word, half by that at the best of these: a word lies
far from the neutral one, and there the first gradient says little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from math import isfinite

import torch

from lib_ti.chance import chance, shuffled
from lib_ti.config.describe import DescribeConfig
from lib_ti.config.train import DataPart, OptimizerPart, RunPart, TrainConfig
from lib_ti.config.trained import EmbeddingPart
from lib_ti.control import Control
from lib_ti.dataset.dataset import Dataset
from lib_ti.dataset.scan import list_dataset, scan_pictures
from lib_ti.dataset.template import Template
from lib_ti.errors import Fault, GivenUp, HostError, InvalidConfig, InvalidDataset, TrainingFailed
from lib_ti.events import Emit, Status, Warned, ignore
from lib_ti.expression.evaluate import Dictionary
from lib_ti.expression.limits import END, START
from lib_ti.expression.printer import print_tokens
from lib_ti.expression.prompt import placeholder
from lib_ti.host import Host, ModelInfo, TrainingSession
from lib_ti.training.description import Candidate, Description
from lib_ti.training.latents import cache_latents
from lib_ti.training.measure import fixed_samples
from lib_ti.training.run import memory_faults_reported
from lib_ti.training.update import Sample, accumulate_gradient, losses_of
from lib_ti.training.validation import session_request

PASSES = 2
"""Gradients that are taken for each word."""
SHOWN = 4
"""Of the tokens that were compared for a word, so many are told besides the best."""


def describe(
    host: Host,
    config: DescribeConfig,
    dictionary: Dictionary,
    emit: Emit = ignore,
    control: Control | None = None,
) -> Description:
    """Up to `config.words` words for the pictures of a folder, or as many as were found when `control` stopped the search.

    `dictionary` reads the texts of expressions, among the embeddings that they know. The model is taken once for each word, and
    left as it was found. Raises InvalidConfig, InvalidDataset, TrainingFailed, and what the host does.
    """
    search = _Search(host, config, emit, control or Control())
    with memory_faults_reported("Describe with fewer pictures at once, or with Gradient checkpointing."):
        found = search.run()
    tokens = [word.token for word in found.words]
    typed = [word.text for word in found.words if host.tokenize(word.text) == [word.token]]
    expression = print_tokens(tokens, host.token_text, dictionary) if tokens else ""
    return replace(found, expression=expression, text=" ".join(typed))


def promised(table: torch.Tensor, at: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """By how much the loss falls, to first order, where the row `at` [D] becomes each row e of `table` [vocabulary, D]: [vocabulary].

    (at - e) . g, as HotFlip (Ebrahimi et al. 2018) and AutoPrompt (Shin et al. 2020) choose tokens.
    """
    return (at - table) @ gradient


class _Search:
    def __init__(self, host: Host, config: DescribeConfig, emit: Emit, control: Control) -> None:
        self.host, self.config, self.emit, self.control = host, config, emit, control
        self.name = placeholder("describe")
        self.training = _as_training(config, self.name)
        self.model: ModelInfo = host.model()
        self.found = Description(config.pictures, 0)
        self.samples: list[Sample] = []
        self.among = frozenset(host.tokenize(config.among))
        start = host.tokenize(config.start)
        if not start:
            raise InvalidConfig([Fault("start", "is no word", "write one, such as thing")])
        self.start = start[0]
        host.validate_session(session_request(self.training, {self.name: 1}))
        self.tables = {encoder.name: host.all_token_vectors(encoder.name) for encoder in self.model.encoders}

    def run(self) -> Description:
        try:
            dataset = self.read_pictures()
            for number in range(1, self.config.words + 1):
                with self.opened(number) as session:
                    if not self.samples:
                        self.samples = self.draw_samples(session, dataset)
                    self.validate_prompts(session, number)
                    if not self.find_word(session):
                        break
        except GivenUp:
            return replace(self.found, stopped=True)
        return self.found

    @contextmanager
    def opened(self, rows: int) -> Iterator[TrainingSession]:
        """The model, for a placeholder of `rows`: the words found so far and the one that is looked for."""
        self.emit(Status("Waiting for the model"))
        request = session_request(self.training, {self.name: rows}, given_up=lambda: self.control.stopping)
        with self.host.training_session(request) as session:
            if self.host.model() != self.model:
                raise HostError(f"The words are looked for in {self.model.name}, but the model is another by now.")
            yield session

    def read_pictures(self) -> Dataset:
        """Those that the samples take, drawn by the seed where there are more."""
        data, line = self.training.data, Template("prompt", (self.config.prompt,))
        model = self.model
        try:
            listing = list_dataset(data, self.name, model.native_size, model.pixel_multiple)
            dataset = scan_pictures(listing, self.progress("Checking picture {} of {}"))
        except InvalidDataset as error:
            raise error.renamed({"data.folder": "pictures"}) from None
        for warning in dataset.warnings:
            self.emit(Warned(warning))
        drawn = shuffled(dataset.pictures, chance("describe", self.config.seed))[: self.config.samples]
        self.found = replace(self.found, pictures=len(drawn))
        sources = tuple(replace(source, template=line) for source in dataset.sources)
        return replace(dataset, pictures=tuple(drawn), sources=sources)

    def draw_samples(self, session: TrainingSession, dataset: Dataset) -> list[Sample]:
        cache = cache_latents(session, dataset, self.progress("Encoding picture {} of {}"))
        session.offload_image_encoder()
        return fixed_samples(dataset, cache, self.training, self.config.seed, self.config.samples)

    def progress(self, text: str) -> Callable[[int, int], None]:
        def told(done: int, total: int) -> None:
            if self.control.stopping:
                raise GivenUp("The search was stopped.")
            self.emit(Status(text.format(min(done + 1, total), total), done / total))

        return told

    def validate_prompts(self, session: TrainingSession, rows: int) -> None:
        for prompt in dict.fromkeys(sample.prompt for sample in self.samples):
            seen = session.placeholder_rows(prompt)[self.name]
            if seen < rows:
                shown = prompt.replace(self.name, "[name]")
                raise InvalidConfig(
                    [Fault("prompt", f"the model sees {seen} of {rows} words in {shown!r}", "shorten it")]
                )

    def find_word(self, session: TrainingSession) -> bool:
        """Add the next word to those found; False where none lowers the loss further. Raises GivenUp when the user would rather
        stop.

        The first is taken though the neutral word does better: only with the second may it come to something.
        """
        tried: dict[int, float] = {}
        at = self.start
        for turn in range(PASSES):
            self.tell(session, len(tried))
            most = self.config.candidates * (turn + 1) // PASSES - len(tried)
            carried = self.runners_up()[:most] if turn == 0 else []
            for token in [*carried, *self.rank(session, at, most - len(carried), {*tried, *carried})]:
                self.tell(session, len(tried))
                tried[token] = self.loss_with(session, token)
            if not tried:
                hint = "choose among other words, or allow pieces of words"
                raise InvalidConfig(
                    [Fault("among" if self.among else "whole", "no token is left to choose from", hint)]
                )
            at = min(tried, key=tried.__getitem__)
        best, *others = (self.candidate(token, tried[token]) for token in sorted(tried, key=tried.__getitem__))
        if self.found.words and best.loss >= self.found.loss:
            return False
        self.found = self.found.with_word(best, tuple(others[:SHOWN]))
        return True

    def runners_up(self) -> list[int]:
        """Of the word before: what was nearly as good there is often the next."""
        return [other.token for word in self.found.words[-1:] for other in word.others]

    def rank(self, session: TrainingSession, at: int, most: int, known: Set[int]) -> list[int]:
        """At most `most` tokens by which the gradient at the row of token `at` promises most, but those `known`.

        One choice for all encoders of the model: what each of them promises adds up.
        """
        rows = {name: value.requires_grad_() for name, value in self.rows(session, at).items()}
        loss = accumulate_gradient(session, {self.name: rows}, self.samples, self.config.at_once, self.training.loss)
        self.count(len(self.samples))
        if not self.found.start_loss:
            self.found = replace(self.found, start_loss=_finite(float(loss)))
        scores = torch.zeros(())
        for name, table in self.tables.items():
            gradient = rows[name].grad
            assert gradient is not None
            scores = scores + promised(table, table[at], gradient[-1].cpu())
        taken = {word.token for word in self.found.words} | known
        wanted = (
            token for token in scores.argsort(descending=True).tolist() if token not in taken and self.is_wanted(token)
        )
        return list(islice(wanted, most))

    def is_wanted(self, token: int) -> bool:
        """No control token, nothing that cannot be read; and what the user asks for."""
        if token in (START, END) or (self.among and token not in self.among):
            return False
        text = self.host.token_text(token)
        word = text.removesuffix("</w>")
        if self.config.whole:
            return text.endswith("</w>") and word.isalpha()
        return bool(word) and "\\x" not in word

    def loss_with(self, session: TrainingSession, token: int) -> float:
        loss = losses_of(
            session, {self.name: self.rows(session, token)}, self.samples, self.config.at_once, self.training.loss
        ).loss
        self.count(len(self.samples) / 2)
        return _finite(float(loss))

    def rows(self, session: TrainingSession, token: int) -> dict[str, torch.Tensor]:
        """Of the words found so far, and of `token` behind them."""
        tokens = [*(word.token for word in self.found.words), token]
        return {name: table[tokens].to(session.device) for name, table in self.tables.items()}

    def candidate(self, token: int, loss: float) -> Candidate:
        return Candidate(token, self.host.token_text(token).removesuffix("</w>"), loss)

    def count(self, images: float) -> None:
        self.found = replace(self.found, images=self.found.images + images)

    def tell(self, session: TrainingSession, tried: int) -> None:
        """How far the search is; raises GivenUp where it is to end."""
        if self.control.stopping or session.interrupted():
            raise GivenUp("The search was stopped.")
        session.check()
        done, each, words = len(self.found.words), self.config.candidates, self.config.words
        so_far = f" ({', '.join(word.text for word in self.found.words)})" if done else ""
        self.emit(
            Status(f"Word {done + 1} of {words}{so_far}: {tried} of {each} compared", (done + tried / each) / words)
        )
        session.show_progress(done * each + tried, words * each)


def _finite(loss: float) -> float:
    if not isfinite(loss):
        raise TrainingFailed(f"The loss is {loss}.", "Use the model in full precision or bfloat16.")
    return loss


def _as_training(config: DescribeConfig, name: str) -> TrainConfig:
    """As what a training would read the pictures and draw its fixed samples."""
    return TrainConfig(
        embedding=EmbeddingPart(name=name),
        data=DataPart(folder=config.pictures, template="none"),
        optim=OptimizerPart(micro_batch=config.at_once),
        run=RunPart(seed=config.seed, clip_skip=config.clip_skip, checkpointing=config.checkpointing),
    )
