"""Class pictures: a user would lose what kohya calls regularisation pictures, or train towards them unasked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from lib_ti.config.train import LossPart
from lib_ti.control import Control
from lib_ti.dataset.caption import mark_class
from lib_ti.errors import InvalidConfig, InvalidDataset, faults_of
from lib_ti.events import StepDone
from lib_ti.host import SessionRequest
from lib_ti.training.plan import Plan, plan_training
from lib_ti.training.state import load_state, state_path
from lib_ti.training.update import Sample, accumulate_gradient
from tests.toy_host import ToyHost, ToySession
from tests.training.runs import Settings, final_vectors, run, same, stop_at
from tests.training.test_update import joint_loss, make_samples, make_vectors


@pytest.fixture
def reg(tmp_path: Path) -> Path:
    """As kohya's users have it: 1_woman in reg, one picture with a caption."""
    folder = tmp_path / "reg" / "1_woman"
    folder.mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (64, 64), (90 * number, 30, 200)).save(folder / f"{number}.png")
    (folder / "1.txt").write_text("a tall Woman in a red dress")
    return folder.parent


def plan(tmp_path: Path, config: object) -> Plan:
    return plan_training(ToyHost(tmp_path), config)  # type: ignore[arg-type]


def test_the_embedding_stands_where_the_class_word_does(tmp_path: Path, settings: Settings, reg: Path) -> None:
    """Else the prompt would not hold it, and the picture would teach it nothing."""
    found = plan(tmp_path, settings(data__class_folder=str(reg)))
    assert found.classes
    assert [picture.caption for picture in found.classes.pictures] == [
        "[name]",
        "a tall [name] in a red dress",
        "[name]",
    ]
    assert found.classes.sources[0].prompt("[filewords]", "foo", found.classes.pictures[1].caption, max) == (
        "a tall foo in a red dress"
    )
    assert "Class pictures: 3, one with each picture, at weight 1" in found.lines()
    assert found.dataset.samples_per_epoch == 5


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a woman and a womanly woman", "a [name] and a womanly [name]"),
        ("a photo of [name], a woman", "a photo of [name], a woman"),
        ("WOMAN", "[name]"),
    ],
)
def test_only_the_whole_word_is_the_class(caption: str, expected: str) -> None:
    assert mark_class(caption, "woman", Path("x.png")) == expected


def test_a_caption_without_the_class_word_is_refused_by_its_picture(
    tmp_path: Path, settings: Settings, reg: Path
) -> None:
    with pytest.raises(InvalidDataset, match="does not hold the class word 'cat'") as caught:
        plan(tmp_path, settings(data__class_folder=str(reg / "1_woman"), data__class_word="cat"))
    assert [fault.where for fault in faults_of(caught.value)] == [f"1_woman/{n}.png" for n in range(3)]


def test_the_initialization_text_is_the_class_where_nothing_else_says_it(
    tmp_path: Path, settings: Settings, reg: Path
) -> None:
    plain = reg.parent / "plain"
    (reg / "1_woman").rename(plain)
    for number in (0, 2):
        (plain / f"{number}.txt").write_text("one woman")
    found = plan(tmp_path, settings(data__class_folder=str(plain), embedding__init="woman"))
    assert found.classes
    assert found.classes.pictures[0].caption == "one [name]"


def test_a_folder_that_is_not_there_is_told_at_its_own_field(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(InvalidDataset, match="there is no folder") as caught:
        plan(tmp_path, settings(data__class_folder=str(tmp_path / "nowhere")))
    assert [fault.where for fault in faults_of(caught.value)] == ["data.class_folder"]


@pytest.fixture(params=["sd1", "sdxl"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ToySession]:
    with ToyHost(tmp_path, request.param).training_session(SessionRequest("foo", 2)) as session:
        yield session


@pytest.mark.parametrize("micro_batch", [1, 3, 8])
def test_the_gradient_is_that_of_the_pictures_and_by_the_weight_that_of_the_class(
    session: ToySession, micro_batch: int
) -> None:
    """Prior preservation by hand: mean over own pictures plus the weight times the mean over as many of the class."""
    own, other = make_samples(8)[:4], make_samples(8)[4:]
    priors = [Sample(one.prompt, one.size, one.latents, one.noise, one.timestep, one.mask, prior=True) for one in other]
    loss, expected, got = LossPart(prior_weight=0.3), make_vectors(session), make_vectors(session)
    wanted = joint_loss(session, expected, own, loss)
    (wanted + 0.3 * joint_loss(session, expected, other, loss)).backward()  # type: ignore[no-untyped-call]
    told = accumulate_gradient(session, {"foo": got}, own + priors, micro_batch, loss)
    assert told.item() == pytest.approx(wanted.item(), rel=1e-5)
    for name in got:
        torch.testing.assert_close(got[name].grad, expected[name].grad)


def test_steps_epochs_and_the_other_draws_are_as_without(tmp_path: Path, settings: Settings, reg: Path) -> None:
    """A weight of nothing leaves the run as it was: class pictures take no place among the samples."""
    plain, idle, on = (ToyHost(tmp_path / name) for name in ("plain", "idle", "on"))
    told = [
        [(event.step, event.epoch, event.images) for event in run(host, config) if isinstance(event, StepDone)]
        for host, config in (
            (plain, settings()),
            (idle, settings(data__class_folder=str(reg), loss__prior_weight=0.0)),
            (on, settings(data__class_folder=str(reg))),
        )
    ]
    assert told[0] == told[1] == told[2]
    for name, expected in final_vectors(plain).items():
        torch.testing.assert_close(final_vectors(idle)[name], expected, rtol=1e-4, atol=1e-6)
        assert not torch.allclose(final_vectors(on)[name], expected, rtol=1e-2)


def test_stopped_and_resumed_is_the_uninterrupted_run(tmp_path: Path, settings: Settings, reg: Path) -> None:
    halves, whole = ToyHost(tmp_path / "halves"), ToyHost(tmp_path / "whole")
    control, config = Control(), {"data__class_folder": str(reg), "data__latent_sampling": "random"}
    run(halves, settings(**config), control, stop_at(5, control))
    run(halves, settings(**config, embedding__resume=True))
    run(whole, settings(**config))
    assert same(final_vectors(halves), final_vectors(whole))


def test_other_class_pictures_at_a_resume_are_told(tmp_path: Path, settings: Settings, reg: Path) -> None:
    host = ToyHost(tmp_path)
    run(host, settings(data__class_folder=str(reg)))
    assert load_state(state_path(host.embeddings_folder() / "foo.safetensors")).samples == 24
    (reg / "1_woman" / "1.txt").write_text("another woman")
    again = settings(data__class_folder=str(reg), embedding__resume=True, optim__steps=20)
    assert any("pictures, captions or template have changed" in text for text in plan_training(host, again).warnings)


@pytest.mark.parametrize("more", [{"embedding__more": "bar"}, {"embedding__negative": "pair"}])
def test_with_several_embeddings_they_are_refused(settings: Settings, reg: Path, more: dict[str, str]) -> None:
    with pytest.raises(InvalidConfig, match="one embedding alone") as caught:
        settings(data__class_folder=str(reg), **more)
    assert [fault.where for fault in caught.value.faults] == ["data.class_folder"]
