"""Several embeddings in one run: a user would lose one of them, its momentum, or its place in the prompts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from lib_ti.adapters.detect import open_standalone
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.errors import EmbeddingExists, FaultList, InvalidConfig, InvalidDataset
from lib_ti.events import Event, PreviewReady, Saved, StepDone
from lib_ti.formats.files import load_embedding
from lib_ti.host import SessionRequest
from lib_ti.training.evaluation import FixedBatch, gap_closed
from lib_ti.training.plan import plan_training
from lib_ti.training.start import find_start
from lib_ti.training.state import load_state, state_path
from tests.toy_host import ToyHost, ToySession
from tests.training.on_demo import CONCEPTS, draw_things, held_out, learn
from tests.training.runs import Settings, equal, files, run, stop_at

NAMES = ("foo", "bar")


@pytest.fixture
def two(settings: Settings, pictures: Path) -> Settings:
    """Settings of a run in which foo learns from one folder and bar from another."""
    other = pictures.parent / "others"
    other.mkdir()
    for path in pictures.glob("[0-2]*.png"):
        Image.open(path).transpose(Image.Transpose.ROTATE_180).save(other / path.name)

    def make(**changes: Any) -> TrainConfig:
        lines = {"embedding__more": "bar; vectors=3; init=old lamp", "data__more": f"{other}; name=bar"}
        return settings(**lines | changes)

    return make


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_each_learns_and_has_a_file_a_copy_a_state_a_preview_and_a_curve(
    tmp_path: Path, two: Settings, family: str
) -> None:
    host = ToyHost(tmp_path, family)
    events = run(host, two(preview__every=6))
    assert {name: len(vectors["clip_l"]) for name, vectors in files(host).items()} == {"foo": 2, "bar": 3}
    for name, rows, init in (("foo", 2, "round thing"), ("bar", 3, "old lamp")):
        embedding = load_embedding(host.embeddings_folder() / f"{name}.safetensors")
        assert (embedding.name, embedding.step) == (name, 12)
        begin = host.token_vectors(host.tokenize(init)[:1], "clip_l")[0]
        assert not torch.equal(embedding.vectors["clip_l"][0], begin)
        copies = {event.path.name for event in events if isinstance(event, Saved) and event.kind == "copy"}
        assert {f"{name}-{step}.safetensors" for step in (4, 8, 12)} <= copies
        assert len(load_state(state_path(host.embeddings_folder() / f"{name}.safetensors")).vectors["clip_l"]) == rows
        assert [event.path.name for event in events if isinstance(event, PreviewReady) and name in event.prompt] == [
            f"{name}-{step}.png" for step in (0, 6, 12)
        ]
        assert (host.embeddings_folder() / f"{name}.preview.png").is_file()
    done = next(event for event in events if isinstance(event, StepDone))
    assert list(done.norms) == [f"{name} {encoder}" for name in NAMES for encoder in host.widths]


def test_an_update_moves_those_that_its_prompts_hold_and_no_other(tmp_path: Path, two: Settings) -> None:
    """Else momentum would go on pulling at the one while the pictures are the other's."""
    host = ToyHost(tmp_path)
    config = two(optim__batch_size=1, optim__steps=10, save__every=1)
    plan = plan_training(host, config)
    sources = [plan.dataset.pictures[index].source for index in map(_order(plan), range(10))]
    assert set(sources[1:]) == {0, 1}
    run(host, config)
    folder = next(host.log_folder().glob("*/foo/embeddings"))
    for step, source in enumerate(sources[1:], 2):
        moved = {name: not torch.equal(_copy(folder, name, step), _copy(folder, name, step - 1)) for name in NAMES}
        assert moved == {"foo": source == 0, "bar": source == 1}


def _order(plan: Any) -> Callable[[int], int]:
    from lib_ti.dataset.dataset import sample_order

    return sample_order(plan.dataset.repeats, plan.start.state.seed)


def _copy(folder: Path, name: str, step: int) -> torch.Tensor:
    return load_embedding(folder / f"{name}-{step}.safetensors").vectors["clip_l"]


@pytest.mark.parametrize("optimizer", ["adamw", "normalised"])
def test_stopped_and_resumed_is_bit_for_bit_the_uninterrupted_run(
    tmp_path: Path, two: Settings, optimizer: str
) -> None:
    halves, whole = ToyHost(tmp_path / "halves"), ToyHost(tmp_path / "whole")
    changes = {"optim__name": optimizer, "measure__every": 3, "measure__best": True}
    control = Control()
    run(halves, two(**changes), control, stop_at(5, control))
    run(halves, two(**changes, embedding__resume=True))
    run(whole, two(**changes))
    assert equal(halves, whole)


def test_killed_between_the_files_it_goes_on_with_all_of_them(tmp_path: Path, two: Settings) -> None:
    host, whole = ToyHost(tmp_path / "killed"), ToyHost(tmp_path / "whole")

    class Killed(BaseException):
        pass

    def die(event: Event) -> None:
        if isinstance(event, Saved) and event.kind == "embedding":
            raise Killed  # one file is new, the other is not there

    with pytest.raises(Killed):
        run(host, two(), listen=die)
    assert list(files(host)) == ["foo"]
    run(host, two(embedding__resume=True))
    run(whole, two())
    assert equal(host, whole)


def test_either_may_be_first_when_the_run_goes_on(tmp_path: Path, two: Settings, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    run(host, two())
    other = settings(
        embedding__name="bar", embedding__more="foo", data__template="subject", embedding__resume=True, optim__steps=20
    )
    start = find_start(host, other)
    assert (start.state.step, start.rows) == (12, {"bar": 3, "foo": 2})
    assert all(torch.equal(start.state.others["foo"].vectors[e], v) for e, v in files(host)["foo"].items())


def test_one_that_was_trained_apart_meanwhile_is_not_lost(tmp_path: Path, two: Settings, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    run(host, two())
    run(host, settings(embedding__name="bar", embedding__resume=True, optim__steps=20))
    with pytest.raises(EmbeddingExists, match=r"bar.safetensors does not hold what this run has learned"):
        find_start(host, two(embedding__resume=True, optim__steps=20))
    start = find_start(host, two(embedding__resume=True, optim__steps=20, embedding__overwrite=True))
    assert start.state.step == 12


def test_a_further_one_may_join_a_run_and_leave_it(tmp_path: Path, two: Settings, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    run(host, settings(measure__every=4))
    run(host, two(embedding__resume=True, optim__steps=16, measure__every=4))
    assert files(host).keys() == {"foo", "bar"}
    assert [one.step for one in load_state(state_path(host.embeddings_folder() / "foo.safetensors")).measured] == [
        12,
        16,
    ]
    plan = plan_training(host, settings(embedding__resume=True, optim__steps=20))
    assert any("trained bar too" in warning for warning in plan.warnings)


@pytest.mark.parametrize(
    ("changes", "where", "message"),
    [
        ({"embedding__more": "foo\nbar"}, "embedding.more", "foo stands here twice"),
        ({"embedding__more": "Foo\nbar"}, "embedding.more", "Foo is the same word to the model as foo"),
        ({"embedding__more": "a/b\nbar"}, "embedding.more", "cannot stand in a file's name"),
        ({"embedding__more": "bar; vectors=99"}, "embedding.more", "above the most of 75"),
        ({"embedding__more": "bar; resume=true"}, "embedding.more", "resume cannot be set in a line"),
        ({"embedding__more": "name\nbar"}, "embedding.more", r"\[name\] means something else"),
        ({"embedding__more": "baz\nbar"}, "embedding.more", "no prompt holds baz"),
        ({"embedding__more": "baz"}, "data.more", "there is no embedding 'bar' in prompts"),
    ],
)
def test_what_is_wrong_with_a_further_embedding_is_told_by_its_field(
    tmp_path: Path, two: Settings, changes: dict[str, Any], where: str, message: str
) -> None:
    with pytest.raises((InvalidConfig, InvalidDataset), match=message) as refused:
        plan_training(ToyHost(tmp_path), two(**changes))
    assert {fault.where for fault in refused.value.faults} == {where}


def test_all_that_exist_are_told_together(tmp_path: Path, two: Settings) -> None:
    host = ToyHost(tmp_path)
    run(host, two())
    with pytest.raises(FaultList) as refused:
        plan_training(host, two())
    assert {Path(fault.where).name for fault in refused.value.faults} == {"foo.safetensors", "bar.safetensors"}


def test_both_in_one_prompt_get_a_gradient_each(tmp_path: Path, settings: Settings, pictures: Path) -> None:
    """A photo of [foo] in the style of [bar]; captions may call either too."""
    template = tmp_path / "both.txt"
    template.write_text("a photo of [foo] in the style of [bar]\n[filewords]\n")
    for path in pictures.glob("*.png"):
        path.with_suffix(".txt").write_text("[bar] and [foo]")
    host = ToyHost(tmp_path)
    config = settings(embedding__more="bar; vectors=1; init=lamp", data__template=str(template))
    prompts: set[str] = set()
    encode = ToySession.encode_prompts

    def watched(self: ToySession, given: Any, *rest: Any) -> Any:
        prompts.update(given)
        return encode(self, given, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ToySession, "encode_prompts", watched)
        run(host, config)
    assert prompts == {"a photo of foo in the style of bar", "bar and foo"}
    before = {"foo": "round thing", "bar": "lamp"}
    for name, vectors in files(host).items():
        begin = host.token_vectors(host.tokenize(before[name])[:1], "clip_l")[0]
        assert (vectors["clip_l"][0] - begin).abs().min() > 0


@pytest.mark.slow
def test_two_concepts_are_both_learned_in_one_run_of_the_demo_model(tmp_path: Path) -> None:
    """As well as each would be alone: most of the way to the model's own true words."""
    host = open_standalone("demo", "cpu", "fp32", tmp_path / "out", tmp_path / "logs")
    first, second = (draw_things(tmp_path / name, thing) for name, thing in CONCEPTS.items())
    learn(
        host,
        {
            "run.preset": "automatic",
            "embedding.name": "trx",
            "embedding.init": "shape",
            "embedding.more": "qzk",
            "data.folder": str(first),
            "data.more": f"{second}; name=qzk",
            "optim.lr": "0.6r cosine:250",
            "optim.steps": 250,
            "preview.every": 0,
            "run.seed": 1,
        },
    )
    vectors = {name: load_embedding(tmp_path / "out" / f"{name}.safetensors").vectors for name in CONCEPTS}
    with host.training_session(SessionRequest("trx", 8, others={"qzk": 8})) as session:
        for name, thing in CONCEPTS.items():
            batch = FixedBatch(session, held_out(thing))
            losses = [batch.loss(f"a photo of a {word}", vectors) for word in ("shape", name, thing.phrase)]
            closed = gap_closed(*losses)
            other = next(one for one in CONCEPTS if one != name)
            assert closed > 0.85, (name, closed)
            assert batch.loss(f"a photo of a {other}", vectors) > losses[1], "the two are not one and the same"
