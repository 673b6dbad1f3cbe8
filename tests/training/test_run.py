"""A user would lose: trained vectors, the exact way back into a run, and the good file after something went wrong."""

import json
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import EmbeddingExists, HostError, InvalidConfig, InvalidDataset, TrainingFailed
from lib_ti.events import Event, Finished, Paused, Planned, PreviewReady, Saved, StepDone, Warned
from lib_ti.formats.files import load_embedding, save_embedding
from lib_ti.training.log import read_losses
from lib_ti.training.start import find_start
from lib_ti.training.update import accumulate_gradient
from tests.toy_host import ToyHost, ToySession
from tests.training.runs import Settings, final_vectors, run, same, stop_at


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_training_lowers_the_loss_and_saves_what_it_learned(tmp_path: Path, settings: Settings, family: str) -> None:
    host = ToyHost(tmp_path, family)
    events = run(host, settings(optim__steps=150, optim__lr="0.05", optim__batch_size=5, save__every=0))
    losses = [event.loss for event in events if isinstance(event, StepDone)]
    assert sum(losses[-20:]) < 0.9 * sum(losses[:20])
    assert isinstance(events[-1], Finished)
    assert events[-1].step == 150
    saved = load_embedding(host.embeddings_folder() / "foo.safetensors")
    assert (saved.step, saved.rows, saved.family, saved.model_hash) == (150, 2, family, "0123456789")
    assert set(saved.vectors) == set(saved.token_tables) == set(host.widths)


def test_three_stages_of_the_schedule_give_their_rows_in_the_table(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    events = run(host, settings(optim__lr="0.005:10, 1e-3:20, 1e-5", optim__steps=30))
    plan = next(event for event in events if isinstance(event, Planned))
    rates = [row["learn_rate"] for row in read_losses(plan.run_folder / "textual_inversion_loss.csv")]
    assert rates == ["0.005"] * 10 + ["0.001"] * 10 + ["1e-05"] * 10


def test_copies_are_named_by_the_true_number_of_updates(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    events = run(host, settings())
    copies = [event for event in events if isinstance(event, Saved) and event.kind == "copy"]
    assert [(event.path.name, load_embedding(event.path).step) for event in copies] == [
        ("foo-4.safetensors", 4),
        ("foo-8.safetensors", 8),
        ("foo-12.safetensors", 12),
    ]


def copies(host: ToyHost) -> list[str]:
    return sorted(path.name for path in host.log_folder().glob("*/*/embeddings/*"))


def test_only_the_last_copies_are_kept_with_their_states(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    run(host, settings(save__every=2, save__keep=2))
    assert copies(host) == ["foo-10.safetensors", "foo-10.state", "foo-12.safetensors", "foo-12.state"]
    run(host, settings(save__every=2, save__keep=1, optim__steps=18, embedding__resume=True))
    assert copies(host) == [
        *("foo-10.safetensors", "foo-10.state", "foo-12.safetensors", "foo-12.state"),  # not of this run
        *("foo-18.safetensors", "foo-18.state"),
    ]


def test_a_copy_that_was_asked_for_is_kept_whatever_else_goes(tmp_path: Path, settings: Settings) -> None:
    host, control = ToyHost(tmp_path), Control()

    def ask(event: Event) -> None:
        if isinstance(event, StepDone) and event.step in (3, 4):  # a due one is the fourth
            control.save_now()

    run(host, settings(save__every=2, save__keep=1, save__format="pt", save__optim=True), control, ask)
    kept = [name for name in copies(host) if name.endswith(".pt")]
    assert kept == ["foo-12.pt", "foo-3.pt", "foo-4.pt"]
    assert "foo-10.pt.optim" not in copies(host)
    assert "foo-12.pt.optim" in copies(host)


def test_the_range_of_timesteps_is_what_is_drawn(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    predict = ToySession.predict

    def listen(session: ToySession, noisy: torch.Tensor, timesteps: torch.Tensor, conditioning: Any) -> torch.Tensor:
        seen.extend(timesteps.tolist())
        return predict(session, noisy, timesteps, conditioning)

    monkeypatch.setattr(ToySession, "predict", listen)
    run(ToyHost(tmp_path), settings(loss__timestep_min=300, loss__timestep_max=303, optim__steps=50))
    assert set(seen) == {300, 301, 302, 303}


@pytest.mark.parametrize("sampling", ["once", "random", "deterministic"])
@pytest.mark.parametrize("stop", [1, 5, 8])
def test_stopped_and_resumed_is_bit_equal_to_uninterrupted(
    tmp_path: Path, settings: Settings, sampling: str, stop: int
) -> None:
    changes = {"data__latent_sampling": sampling, "data__shuffle_tags": True, "loss__stratified": True}
    changes |= {"data__wildcards": True, "data__caption_prefix": "{red|blue}"}
    whole = ToyHost(tmp_path / "whole")
    run(whole, settings(**changes))

    host, control = ToyHost(tmp_path / "halves"), Control()
    events = run(host, settings(**changes), control, stop_at(stop, control))
    assert events[-1] == Finished(stop, host.embeddings_folder() / "foo.safetensors", stopped=True)
    events = run(host, settings(**changes, embedding__resume=True, run__seed=-1))
    assert [event.step for event in events if isinstance(event, StepDone)] == list(range(stop + 1, 13))
    assert same(final_vectors(host), final_vectors(whole))
    folders = list((tmp_path / "halves/log").glob("*/*"))
    assert len(folders) == 1  # it went on in its own folder
    assert [row["step"] for row in read_losses(folders[0] / "textual_inversion_loss.csv")] == [
        str(n) for n in range(1, 13)
    ]


def test_previews_do_not_disturb_the_training(tmp_path: Path, settings: Settings) -> None:
    plain, looked_at = ToyHost(tmp_path / "plain"), ToyHost(tmp_path / "looked-at")
    run(plain, settings())
    events = run(looked_at, settings(preview__every=3, data__shuffle_tags=False))
    assert same(final_vectors(plain), final_vectors(looked_at))
    previews = [event for event in events if isinstance(event, PreviewReady)]
    assert [event.step for event in previews] == [0, 3, 6, 9, 12]
    assert len({(event.seed, event.prompt) for event in previews}) == 1
    picture = Image.open(previews[-1].path)
    assert picture.text["parameters"].startswith(previews[-1].prompt)  # type: ignore[attr-defined]
    carried = load_embedding(previews[-1].path.parent.parent / "image_embeddings" / "foo-12.png")
    torch.testing.assert_close(carried.vectors["clip_l"], final_vectors(looked_at)["clip_l"])


def test_batch_and_accumulation_of_equal_product_are_the_same_training(tmp_path: Path, settings: Settings) -> None:
    results = []
    for batch, accumulation in ((6, 1), (2, 3), (1, 6)):
        host = ToyHost(tmp_path / f"{batch}")
        run(host, settings(optim__batch_size=batch, optim__accumulation=accumulation))
        results.append(final_vectors(host)["clip_l"])
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(results[0], results[2], rtol=1e-4, atol=1e-5)


def test_flips_and_crops_are_the_same_after_a_resume(tmp_path: Path, settings: Settings) -> None:
    changes = {"data__flip": 0.4, "data__crops": 3, "data__fit": "crop"}
    whole, host, control = ToyHost(tmp_path / "whole"), ToyHost(tmp_path / "halves"), Control()
    run(whole, settings(**changes))
    run(host, settings(**changes), control, stop_at(5, control))
    run(host, settings(**changes, embedding__resume=True))
    assert same(final_vectors(host), final_vectors(whole))
    plain = ToyHost(tmp_path / "plain")
    run(plain, settings(data__fit="crop"))
    assert not same(final_vectors(plain), final_vectors(whole))


def test_several_folders_are_trained_and_resumed_as_one_each_by_its_settings(
    tmp_path: Path, settings: Settings, pictures: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Image.linear_gradient("L").resize((96, 64)).save(other / "x.png")
    changes = {"data__more": f"{other}; repeats=4; template=none; flip=0.5; crops=2; fit=crop; latent_sampling=random"}
    whole, host, control = ToyHost(tmp_path / "whole"), ToyHost(tmp_path / "halves"), Control()
    events = run(whole, settings(**changes, optim__epochs=2))
    plan = next(event for event in events if isinstance(event, Planned))
    assert any(line.startswith("Pictures: 6 (9 an epoch") for line in plan.lines)
    assert [event.step for event in events if isinstance(event, StepDone)] == list(range(1, 10))
    run(host, settings(**changes, optim__epochs=2), control, stop_at(5, control))
    run(host, settings(**changes, optim__epochs=2, embedding__resume=True))
    assert same(final_vectors(host), final_vectors(whole))


def test_a_mask_file_keeps_the_rest_of_its_picture_from_being_learned(
    tmp_path: Path, settings: Settings, pictures: Path
) -> None:
    """What changes under black changes nothing; without the mask it would."""
    results = []
    for masks in (True, False):
        for colour in ("red", "blue"):
            picture = Image.new("RGB", (64, 64), colour)
            picture.paste("green", (0, 0, 32, 64))
            for path in pictures.glob("?-*.png"):
                path.unlink()
            picture.save(pictures / "a.png")
            mask = Image.new("L", (64, 64))
            mask.paste(255, (0, 0, 24, 64))  # a cell aside, for the model sees a little beyond each
            mask.save(pictures / "a-masklabel.png")
            host = ToyHost(tmp_path / f"{masks}-{colour}")
            run(host, settings(data__template="subject", data__masks=masks, data__latent_sampling="deterministic"))
            results.append(final_vectors(host)["clip_l"])
    assert torch.allclose(results[0], results[1], atol=1e-5)
    assert not torch.allclose(results[2], results[3], atol=1e-4)


def test_settings_file_brings_the_same_run_again(tmp_path: Path, settings: Settings) -> None:
    first, again = ToyHost(tmp_path / "first"), ToyHost(tmp_path / "again")
    events = run(first, settings(run__seed=-1))
    folder = next(event.run_folder for event in events if isinstance(event, Planned))
    run(again, build_config(TrainConfig, json.loads((folder / "settings.json").read_text())))
    assert same(final_vectors(first), final_vectors(again))


def test_a_trained_embedding_is_not_overwritten_unasked(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    run(host, settings())
    before = (host.embeddings_folder() / "foo.safetensors").read_bytes()
    with pytest.raises(EmbeddingExists, match="12 steps"):
        run(host, settings(optim__steps=20))
    assert (host.embeddings_folder() / "foo.safetensors").read_bytes() == before
    run(host, settings(optim__steps=2, embedding__overwrite=True))
    assert load_embedding(host.embeddings_folder() / "foo.safetensors").step == 2


def test_training_starts_from_an_embedding_that_was_created_before(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    created = {"clip_l": torch.randn(3, 6)}
    host.embeddings_folder().mkdir()
    save_embedding(Embedding("foo", created, family="sd1"), host.embeddings_folder() / "foo.safetensors")
    run(host, settings(optim__lr="1e-9", embedding__vectors=1))
    torch.testing.assert_close(final_vectors(host)["clip_l"], created["clip_l"], atol=1e-6, rtol=0)


def test_an_edited_embedding_is_trained_as_it_is_now_with_a_warning(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    run(host, settings())
    edited = {"clip_l": torch.randn(2, 6)}
    save_embedding(
        Embedding("foo", edited, step=12, family="sd1"), host.embeddings_folder() / "foo.safetensors", overwrite=True
    )
    events = run(host, settings(optim__steps=14, optim__lr="1e-9", embedding__resume=True))
    assert any("momentum" in event.text for event in events if isinstance(event, Warned))
    torch.testing.assert_close(final_vectors(host)["clip_l"], edited["clip_l"], atol=1e-6, rtol=0)


def test_resume_with_nothing_to_resume_starts_from_nothing(tmp_path: Path, settings: Settings) -> None:
    fresh, resumed = ToyHost(tmp_path / "fresh"), ToyHost(tmp_path / "resumed")
    run(fresh, settings())
    run(resumed, settings(embedding__resume=True))
    assert same(final_vectors(fresh), final_vectors(resumed))


def test_nan_stops_the_run_with_the_last_good_vectors_saved(tmp_path: Path, settings: Settings) -> None:
    good = ToyHost(tmp_path / "good")
    run(good, settings(optim__steps=5, optim__batch_size=1))
    host = ToyHost(tmp_path / "spoiled")
    host.spoil_at = 6
    with pytest.raises(TrainingFailed, match="loss became nan at update 6"):
        run(host, settings(optim__batch_size=1))
    assert same(final_vectors(host), final_vectors(good))


@pytest.mark.parametrize("reason", ["CUDA out of memory. Tried to allocate 20 MiB.", "can't allocate memory: 9 bytes"])
def test_memory_that_runs_out_is_told_with_what_needs_less_and_is_free_again(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """A user would lose the steps so far, and, held by the error, the memory that making pictures needs afterwards."""
    good, host = ToyHost(tmp_path / "good"), ToyHost(tmp_path / "failed")
    run(good, settings(optim__steps=5, optim__batch_size=1))

    held: list[weakref.ref[torch.Tensor]] = []

    def fail_at_update_6(*arguments: Any) -> torch.Tensor:
        activations = torch.zeros(3)
        held.append(weakref.ref(activations))
        if len(held) == 6:
            raise RuntimeError(reason)
        return accumulate_gradient(*arguments)

    monkeypatch.setattr("lib_ti.training.update.accumulate_gradient", fail_at_update_6)
    with pytest.raises(TrainingFailed, match="The memory ran out") as failure:
        run(host, settings(optim__batch_size=1))
    assert "micro-batch" in failure.value.hint
    assert failure.value.__context__ is not None, "the traceback still exists"
    assert held[-1]() is None
    assert same(final_vectors(host), final_vectors(good))


def test_a_host_that_fails_in_mid_run_loses_no_work(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = ToyHost(tmp_path / "good")
    run(good, settings(optim__steps=5))
    host, checks = ToyHost(tmp_path / "failed"), iter(range(100))

    def check(session: object) -> None:
        if next(checks) == 5:
            raise HostError("the model was switched")

    monkeypatch.setattr("tests.toy_host.ToySession.check", check)
    with pytest.raises(HostError, match="switched"):
        run(host, settings(save__every=0))
    assert same(final_vectors(host), final_vectors(good))


def test_save_now_preview_now_and_pause(tmp_path: Path, settings: Settings) -> None:
    host, control = ToyHost(tmp_path), Control()

    def listen(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 3:
            control.save_now()
            control.preview_now()
            control.pause()
        if isinstance(event, Paused):
            threading.Timer(0.5, lambda: (control.preview_now(), time.sleep(0.5), control.resume())).start()

    events = run(host, settings(save__every=0), control, listen)
    assert [event.path.name for event in events if isinstance(event, Saved) and event.kind == "copy"] == [
        "foo-3.safetensors"
    ]
    assert [event.step for event in events if isinstance(event, PreviewReady)] == [3, 3]
    assert isinstance(events[-1], Finished)


def test_a_caption_that_pushes_the_placeholder_out_is_refused_by_file(
    tmp_path: Path, settings: Settings, pictures: Path
) -> None:
    (pictures / "2-thing 2.txt").write_text("word " * 40)
    host = ToyHost(tmp_path)
    template = tmp_path / "late.txt"
    template.write_text("[filewords] [name]\n")
    with pytest.raises(InvalidDataset) as faults:
        run(host, settings(data__template=str(template)))
    assert [Path(fault.where).name for fault in faults.value.faults] == ["2-thing 2.png"]
    assert "0 of the 2 vectors" in faults.value.faults[0].message


@pytest.mark.parametrize(
    ("changes", "where"),
    [({"optim__steps": 12}, "optim.steps"), ({"optim__steps": 20, "optim__lr": "0.1:5, 0.01:10"}, "optim.lr")],
)
def test_nothing_left_to_train_is_told_by_field(
    tmp_path: Path, settings: Settings, changes: dict[str, object], where: str
) -> None:
    host = ToyHost(tmp_path)
    run(host, settings())
    with pytest.raises(InvalidConfig) as faults:
        run(host, settings(embedding__resume=True, **changes))
    assert [fault.where for fault in faults.value.faults] == [where]


def test_a_schedule_that_ends_before_max_steps_ends_the_training_and_says_so(
    tmp_path: Path, settings: Settings
) -> None:
    events = run(ToyHost(tmp_path), settings(optim__lr="0.01:7"))
    assert any("ends at step 7" in event.text for event in events if isinstance(event, Warned))
    assert isinstance(events[-1], Finished)
    assert (events[-1].step, events[-1].stopped) == (7, False)


def test_training_starts_from_a_merge_and_the_file_still_tells_it(tmp_path: Path, settings: Settings) -> None:
    """A user would lose how the embedding began: the expression, through a stop, a resume and a lost state."""
    host = ToyHost(tmp_path)
    recipe = {"source": "expression", "expression": "'round'*0.5+'thing'"}
    merged = host.token_vectors([1], "clip_l") * 0.5 + host.token_vectors([2], "clip_l")
    path = host.embeddings_folder() / "foo.safetensors"
    save_embedding(Embedding("foo", {"clip_l": merged}, family="sd1", recipe=recipe), path)
    begun = find_start(host, settings(embedding__vectors=5)).state.vectors
    assert torch.equal(begun["clip_l"], merged), "the settings' own text and number of vectors do not count"
    control = Control()
    run(host, settings(), control, stop_at(2, control))
    assert load_embedding(path).recipe["start"] == recipe
    run(host, settings(embedding__resume=True))
    assert load_embedding(path).step == 12
    assert load_embedding(path).recipe["start"] == recipe
    path.with_name("foo.safetensors.state").unlink()
    for state in host.log_folder().rglob("*.state"):
        state.unlink()
    run(host, settings(embedding__resume=True, optim__steps=13))
    assert load_embedding(path).recipe["start"] == recipe
