"""Context regularisation: a user would lose prompts whose other words are obeyed, or have it act where it is off."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch

from lib_ti.config.train import LossPart, OptimizerPart
from lib_ti.control import Control
from lib_ti.errors import InvalidConfig, faults_of
from lib_ti.host import PictureSize, SessionRequest
from lib_ti.training.context import EACH, PROMPTS, Context, context_lines, context_prompt, unlikeness
from lib_ti.training.measure import likeness_of_context
from lib_ti.training.plan import plan_training
from lib_ti.training.state import RunState
from lib_ti.training.update import Trainee, add_context_gradient, take_update
from tests.toy_host import ToyHost, ToySession
from tests.training.runs import Settings, final_vectors, run, same, stop_at
from tests.training.test_update import make_samples

SIZE = PictureSize(64, 64, 0, 0, 64, 64)
LINES = ("[name] in the desert", "a photo of [name] and a cat", "[name] made of glass")


@pytest.fixture(params=["sd1", "sdxl"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ToySession]:
    with ToyHost(tmp_path, request.param).training_session(SessionRequest("foo", 2)) as session:
        yield session


def make_vectors(session: ToySession, seed: int) -> dict[str, torch.Tensor]:
    """By encoder."""
    chance = torch.Generator().manual_seed(seed)
    return {name: torch.randn(2, width, generator=chance) for name, width in session.host.widths.items()}


def make_context(session: ToySession, weight: float = 1.0) -> Context:
    prompts = [context_prompt(line, "foo", 2, session.host.tokenize) for line in LINES]
    return Context("foo", prompts, make_vectors(session, 9), weight, seed=3)


def loss_of(session: ToySession, vectors: Mapping[str, torch.Tensor], context: Context) -> float:
    prompts = context.draw(0)
    texts, sizes = [prompt.text for prompt in prompts], [SIZE] * len(prompts)
    now, then = (session.encode_prompts(texts, {"foo": given}, sizes).tensors for given in (vectors, context.then))
    found = unlikeness(now, then, prompts)
    assert found is not None
    return float(found)


def test_the_places_are_those_of_the_words_after_the_embedding() -> None:
    """The start token, three words, five vectors: the words after them begin at 9."""
    prompt = context_prompt("a photo of [name] and a cat", "foo", 5, str.split)
    assert (prompt.text, prompt.places) == ("a photo of foo and a cat", range(9, 12))


def test_equal_outputs_are_alike_and_opposite_ones_are_not() -> None:
    prompt = context_prompt("[name] here", "foo", 1, str.split)  # place 2 alone is compared
    one = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]]])
    other = torch.tensor([[[5.0, 5.0], [9.0, 0.0], [6.0, 8.0]]])
    assert float(unlikeness({"x": one}, {"x": other}, [prompt]) or 0) == pytest.approx(0, abs=1e-6)
    other[0, 2] = torch.tensor([-4.0, 3.0])
    assert float(unlikeness({"x": one}, {"x": other}, [prompt]) or 0) == pytest.approx(1)
    other[0, 2] = torch.tensor([-3.0, -4.0])
    assert float(unlikeness({"x": one}, {"x": other}, [prompt]) or 0) == pytest.approx(2)
    assert unlikeness({"vector": one[0]}, {"vector": other[0]}, [prompt]) is None


def test_the_gradient_agrees_with_finite_differences(session: ToySession) -> None:
    context, vectors = make_context(session, weight=0.7), make_vectors(session, 2)
    leaves = {name: value.clone().requires_grad_() for name, value in vectors.items()}
    add_context_gradient(session, {"foo": leaves}, context, 0, SIZE)
    for name, vector in vectors.items():
        direction = torch.randn(vector.shape, generator=torch.Generator().manual_seed(3))
        up, down = (loss_of(session, {**vectors, name: vector + sign * 1e-2 * direction}, context) for sign in (1, -1))
        gradient = leaves[name].grad
        assert gradient is not None
        assert 0.7 * (up - down) / 2e-2 == pytest.approx((gradient * direction).sum().item(), rel=2e-2, abs=1e-5)


def test_it_is_added_to_the_gradient_of_the_pictures_and_moves_no_encoder_that_does_not_learn(
    session: ToySession,
) -> None:
    context = make_context(session)
    leaves = {name: value.requires_grad_(name == "clip_l") for name, value in make_vectors(session, 2).items()}
    add_context_gradient(session, {"foo": leaves}, context, 0, SIZE)
    once = leaves["clip_l"].grad.clone()  # type: ignore[union-attr]
    add_context_gradient(session, {"foo": leaves}, context, 0, SIZE)
    torch.testing.assert_close(leaves["clip_l"].grad, 2 * once)
    assert all(leaf.grad is None for name, leaf in leaves.items() if name != "clip_l")


def test_updates_bring_the_other_words_nearer_to_what_they_say_beside_the_plain_word(session: ToySession) -> None:
    found = {}
    for weight in (0.0, 3000.0):
        context = make_context(session, weight)
        optim = OptimizerPart(batch_size=2)
        state = RunState(0, 0, 3, make_vectors(session, 2))
        trainee = Trainee(state, optim, session.device, dict.fromkeys(session.host.widths, 1.0), "foo")
        for _ in range(100):
            take_update(session, trainee, make_samples(2), optim, LossPart(), 0.02, False, 0.0, context)
        with torch.no_grad():
            found[weight] = loss_of(session, trainee.vectors["foo"], context)
    assert found[3000.0] < 0.5 * found[0.0]


def test_the_verdicts_measure_is_what_is_held(session: ToySession) -> None:
    vectors = make_vectors(session, 2)
    assert likeness_of_context(session, "foo", SIZE, {"foo": vectors}, {"foo": vectors}) == pytest.approx(1)
    other = likeness_of_context(session, "foo", SIZE, {"foo": vectors}, {"foo": make_vectors(session, 9)})
    assert other is not None
    assert other < 0.99


def test_each_update_draws_by_seed_and_step_alone(session: ToySession) -> None:
    prompts = [context_prompt(line, "foo", 2, session.host.tokenize) for line in PROMPTS]
    drawn = [Context("foo", prompts, {}, 1.0, 7).draw(step) for step in range(20)]
    assert drawn == [Context("foo", prompts, {}, 1.0, 7).draw(step) for step in range(20)]
    assert drawn != [Context("foo", prompts, {}, 1.0, 8).draw(step) for step in range(20)]
    assert all(len(set(one)) == EACH for one in drawn)
    assert {prompt for one in drawn for prompt in one} == set(prompts)


ON = {"loss__context_weight": 2.0, "data__class_word": "cat"}


def test_a_weight_of_zero_is_the_run_as_it_was(tmp_path: Path, settings: Settings) -> None:
    plain, off, on = (ToyHost(tmp_path / name) for name in ("plain", "off", "on"))
    run(plain, settings())
    run(off, settings(**{**ON, "loss__context_weight": 0.0}))
    run(on, settings(**ON))
    assert same(final_vectors(plain), final_vectors(off))
    assert not same(final_vectors(plain), final_vectors(on))


def test_stopped_and_resumed_is_the_uninterrupted_run(tmp_path: Path, settings: Settings) -> None:
    halves, whole = ToyHost(tmp_path / "halves"), ToyHost(tmp_path / "whole")
    control = Control()
    run(halves, settings(**ON), control, stop_at(5, control))
    run(halves, settings(**ON, embedding__resume=True))
    run(whole, settings(**ON))
    assert same(final_vectors(halves), final_vectors(whole))


def test_ours_are_taken_where_none_are_given() -> None:
    assert context_lines("\n  \n") == list(PROMPTS)
    assert context_lines("a [name] on the moon\n") == ["a [name] on the moon"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("on the moon", "does not hold .name. once"),
        ("[name] and [name] here", "does not hold .name. once"),
        ("a photo of [name]", "with words after it"),
        ("[name] on the (moon:1.2)", "holds brackets"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused_at_its_field(
    tmp_path: Path, settings: Settings, line: str, reason: str
) -> None:
    with pytest.raises(InvalidConfig, match=reason) as caught:
        plan_training(ToyHost(tmp_path), settings(**ON, loss__context=f"[name] in the desert\n{line}"))
    assert [fault.where for fault in faults_of(caught.value)] == ["loss.context"]


def test_vectors_that_leave_no_room_for_other_words_are_told(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(InvalidConfig, match="no room for other words") as caught:
        plan_training(ToyHost(tmp_path), settings(**ON, embedding__vectors=75, data__template="none"))
    assert "loss.context_weight" in [fault.where for fault in faults_of(caught.value)]


def test_an_empty_word_to_compare_with_is_a_fault_at_its_field(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(InvalidConfig) as caught:
        plan_training(ToyHost(tmp_path), settings(**{**ON, "data__class_word": "!?"}))
    assert [fault.where for fault in faults_of(caught.value)] == ["data.class_word"]


@pytest.mark.parametrize("more", [{"embedding__more": "bar"}, {"embedding__negative": "pair"}])
def test_with_several_embeddings_it_is_refused(settings: Settings, more: dict[str, str]) -> None:
    with pytest.raises(InvalidConfig, match="one embedding alone") as caught:
        settings(**ON, **more)
    assert [fault.where for fault in caught.value.faults] == ["loss.context_weight"]
