"""A user would lose: words in which the model itself says what pictures show, their order and figures, and the way to stop."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.adapters.detect import open_standalone
from lib_ti.config.describe import DescribeConfig
from lib_ti.config.options import build_config
from lib_ti.control import Control
from lib_ti.demo.concept import PICTURES, draw_other_pictures
from lib_ti.errors import InvalidConfig, InvalidDataset, TIError, TrainingFailed
from lib_ti.events import Event, Status, Warned
from lib_ti.expression.evaluate import Dictionary
from lib_ti.expression.limits import END, START
from lib_ti.expression.parser import parse_expression
from lib_ti.host import Host, SessionRequest
from lib_ti.merge.vectors import evaluate_expression
from lib_ti.training.describe import PASSES, describe, promised
from lib_ti.training.description import Description
from lib_ti.training.evaluation import FixedBatch, gap_closed
from tests.toy_host import ToyHost, ToySession

WORDS = "red green blue purple circle square star heart plain striped dotted"
Describe = Callable[..., Description]


class Vocabulary(ToyHost):
    """The toy host, whose tokens are readable: every third is a piece of a word, every seventh no text at all."""

    def __init__(self, folder: Path, family: str = "sd1") -> None:
        super().__init__(folder, family)
        self.opened: list[int] = []

    def token_text(self, token_id: int) -> str:
        if token_id % 7 == 0:
            return "\\x00"
        letters = "".join(chr(97 + int(digit)) for digit in str(token_id))
        return letters if token_id % 3 == 0 else f"{letters}</w>"

    def tokenize(self, text: str) -> list[int]:
        return [int("".join(str(ord(letter) - 97) for letter in word)) for word in text.split()]

    def training_session(self, request: SessionRequest) -> Any:
        self.opened.append(request.vectors)
        return super().training_session(request)


@pytest.fixture
def host(tmp_path: Path) -> Vocabulary:
    return Vocabulary(tmp_path)


def search(
    host: Host, pictures: Path, emit: Callable[[Event], None] = lambda event: None, **changes: Any
) -> Description:
    control = changes.pop("control", None)
    values = {"start": "bbb", "candidates": 8, "samples": 6} | changes
    values |= {"pictures": changes.get("folder", str(pictures))}
    values.pop("folder", None)
    return describe(host, build_config(DescribeConfig, values), Dictionary(host.tokenize), emit, control)


# On the demo models, which know what the pictures show


@pytest.mark.parametrize("model", ["demo", "demo-xl"])
def test_the_words_of_a_thing_are_found_and_close_the_gap_to_it(model: str, tmp_path: Path) -> None:
    host = open_standalone(model, "cpu", "fp32", tmp_path, tmp_path / "logs")
    found = search(host, PICTURES, start="thing", among=WORDS, samples=16, at_once=16)
    assert {word.text for word in found.words} == {"striped", "purple", "star"}
    assert found.text.split() == [word.text for word in found.words]
    rows = evaluate_expression(parse_expression(found.expression), host, {})
    ids = [word.token for word in found.words]
    for encoder, matrix in rows.items():  # one choice of token for both of SDXL's encoders
        assert torch.equal(matrix, host.token_vectors(ids, encoder))
    pictures = [torch.from_numpy(picture).permute(2, 0, 1) / 127.5 - 1 for picture in draw_other_pictures(4)]
    with host.training_session(SessionRequest("zork", 3)) as session:
        batch = FixedBatch(session, pictures)
        losses = [
            batch.loss(f"a photo of a {word}", {"zork": rows}) for word in ("thing", "zork", "striped purple star")
        ]
    assert gap_closed(*losses) > 0.7


def test_of_the_whole_vocabulary_a_word_of_the_thing_is_found(tmp_path: Path) -> None:
    """49,408 rows, of which two backward passes say which 16 are worth a trial; control tokens are none of them."""
    host = open_standalone("demo", "cpu", "fp32", tmp_path, tmp_path / "logs")
    found = search(host, PICTURES, start="thing", words=1, candidates=16, samples=32, at_once=32)
    (word,) = found.words
    assert word.text == "striped"
    assert {one.token for one in (word, *word.others)}.isdisjoint({START, END})
    assert found.images == PASSES * 32 + 16 * 32 / 2


def test_control_tokens_are_never_tried_though_they_are_asked_for(tmp_path: Path) -> None:
    host = open_standalone("demo", "cpu", "fp32", tmp_path, tmp_path / "logs")
    found = search(host, PICTURES, start="thing", words=1, among="<|startoftext|> <|endoftext|> star", samples=4)
    assert {one.token for word in found.words for one in (word, *word.others)} <= set(host.tokenize("star"))


# The search


@given(st.integers(0, 10_000))
def test_what_the_gradient_promises_is_exact_where_the_loss_is_linear(seed: int) -> None:
    chance = torch.Generator().manual_seed(seed)
    table, gradient = torch.randn(20, 4, generator=chance), torch.randn(4, generator=chance)
    falls = promised(table, table[3], gradient)
    torch.testing.assert_close(falls, table[3] @ gradient - table @ gradient)
    assert falls[3] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_words_follow_each_other_and_each_lowers_the_loss(family: str, tmp_path: Path, pictures: Path) -> None:
    host = Vocabulary(tmp_path, family)
    found = search(host, pictures, words=4)
    losses = [found.start_loss, *(word.loss for word in found.words)]
    assert 1 <= len(found.words) <= 4
    assert losses[1:] == sorted(losses[1:], reverse=True)
    assert found.share == pytest.approx((found.start_loss - found.loss) / found.start_loss)
    for before, word in zip(losses, found.words, strict=False):
        assert word.share == pytest.approx((before - word.loss) / found.start_loss)
        assert [other.loss for other in word.others] == sorted(other.loss for other in word.others)
        assert word.loss <= word.others[0].loss
    tokens = [word.token for word in found.words]
    assert len(set(tokens)) == len(tokens)
    assert host.opened == list(range(1, host.opened[-1] + 1))  # one more row for each word
    rows = evaluate_expression(parse_expression(found.expression), host, {})
    for encoder, matrix in rows.items():
        assert torch.equal(matrix, host.tables[encoder][tokens])
    assert found == search(Vocabulary(tmp_path, family), pictures, words=4)


def test_a_word_that_does_not_lower_the_loss_ends_the_search(host: Vocabulary, pictures: Path) -> None:
    found = search(host, pictures, words=20, candidates=2)
    assert len(found.words) < 20
    assert not found.stopped
    assert host.opened[-1] == len(found.words) + 1


def test_the_first_word_is_told_though_the_neutral_one_does_better(host: Vocabulary, pictures: Path) -> None:
    """On the way to two words that do better still, which a search that gave up here would never find."""
    best = search(host, pictures, words=1, candidates=40).words[0].text
    found = search(host, pictures, words=1, start=best, among="bb cc dd")
    assert len(found.words) == 1
    assert found.share < 0


def test_the_work_is_counted(host: Vocabulary, pictures: Path) -> None:
    before = host.predictions
    found = search(host, pictures, words=1, candidates=7, samples=6)
    assert found.images == PASSES * 6 + 7 * 6 / 2
    assert host.predictions - before == PASSES * 6 + 7 * 6


def test_what_is_done_at_once_changes_nothing(host: Vocabulary, pictures: Path) -> None:
    one, all_ = (search(host, pictures, at_once=at_once) for at_once in (1, 6))
    assert [word.token for word in one.words] == [word.token for word in all_.words]
    assert one.loss == pytest.approx(all_.loss, rel=1e-5)


def test_only_readable_tokens_and_on_request_whole_words_or_those_named(host: Vocabulary, pictures: Path) -> None:
    def seen(**changes: Any) -> set[int]:
        found = search(host, pictures, candidates=300, words=1, samples=4, **changes)
        return {one.token for word in found.words for one in (word, *word.others)}

    assert all(token % 7 for token in seen())
    assert all(token % 7 and token % 3 for token in seen(whole=True))
    assert seen(among="bba ccc") <= {110, 222}
    with pytest.raises(InvalidConfig, match="no token is left"):
        seen(among="ddd", whole=True)  # 333 is a piece


def test_a_piece_of_a_word_is_in_the_expression_but_not_in_the_text(
    host: Vocabulary, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Vocabulary, "tokenize", lambda self, text: [111] if text == "bbb" else [5] * len(text.split()))
    found = search(host, pictures, words=2)
    assert found.text == ""
    rows = evaluate_expression(parse_expression(found.expression), host, {})
    assert torch.equal(rows["clip_l"], host.tables["clip_l"][[word.token for word in found.words]])


# The way of it


def test_a_search_that_is_stopped_keeps_the_words_found_so_far(host: Vocabulary, pictures: Path) -> None:
    control = Control()

    def emit(event: Event) -> None:
        if isinstance(event, Status) and event.text.startswith("Word 2 of 3") and "4 of" in event.text:
            control.stop()

    found = search(host, pictures, emit, control=control)
    assert found.stopped
    assert len(found.words) == 1
    assert found.expression
    done = search(host, pictures, words=1)
    assert replace(found, images=0, stopped=False) == replace(done, images=0)


def test_a_search_that_is_stopped_at_once_has_found_nothing(host: Vocabulary, pictures: Path) -> None:
    control = Control()
    control.stop()
    found = search(host, pictures, control=control)
    assert (found.stopped, found.words, found.expression, host.opened) == (True, (), "", [])


def test_progress_goes_forward_and_names_what_is_found(host: Vocabulary, pictures: Path) -> None:
    events: list[Event] = []
    found = search(host, pictures, events.append, words=2)
    told = [event for event in events if isinstance(event, Status) and event.text.startswith("Word")]
    fractions = [event.fraction or 0.0 for event in told]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1
    assert f"Word 2 of 2 ({found.words[0].text}): 3 of 8 compared" in [event.text for event in told]


def test_of_many_pictures_so_many_are_drawn_as_are_compared(host: Vocabulary, pictures: Path) -> None:
    assert search(host, pictures, samples=4, words=1).pictures == 4
    assert search(host, pictures, samples=60, words=1, candidates=2).pictures == 5


@pytest.mark.parametrize(
    ("changes", "kind", "where"),
    [
        ({"prompt": "a photo"}, InvalidConfig, "prompt"),
        ({"prompt": f"{'a ' * 30}[name]"}, InvalidConfig, "prompt"),
        ({"start": " "}, InvalidConfig, "start"),
        ({"words": 0}, InvalidConfig, "words"),
        ({"folder": "nowhere"}, InvalidDataset, "pictures"),
    ],
)
def test_what_cannot_be_is_told_by_its_field(
    host: Vocabulary, pictures: Path, changes: dict[str, Any], kind: type[TIError], where: str
) -> None:
    with pytest.raises(kind) as raised:
        search(host, pictures, **changes)
    assert {fault.where for fault in raised.value.faults} == {where}  # type: ignore[attr-defined]


def test_a_loss_that_is_no_number_ends_the_search(host: Vocabulary, pictures: Path) -> None:
    host.spoil_at = 20
    with pytest.raises(TrainingFailed, match="nan"):
        search(host, pictures)


def test_memory_that_runs_out_is_told_with_what_helps_here(
    host: Vocabulary, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(ToySession, "predict", full)
    with pytest.raises(TrainingFailed, match="Describe with fewer pictures at once"):
        search(host, pictures)


def test_what_is_odd_about_the_pictures_is_told(host: Vocabulary, pictures: Path) -> None:
    (pictures / "notes-masklabel.png").write_bytes((pictures / "0-thing 0.png").read_bytes())
    events: list[Event] = []
    search(host, pictures, events.append, words=1)
    assert any(isinstance(event, Warned) and "masklabel" in event.text for event in events)
