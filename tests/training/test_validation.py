"""A user would lose: a night, to a fault that could have been told before the first step; or the faults that come after the first."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lib_ti.control import Control
from lib_ti.errors import Busy, FaultList, HostError, InvalidConfig, TIError, faults_of
from lib_ti.events import Event, Finished, Status, Warned
from lib_ti.host import SessionRequest
from lib_ti.training.lock import lock_path, training_lock
from lib_ti.training.plan import outline_training, plan_training
from lib_ti.training.run import train
from lib_ti.training.validation import write_obstacle
from tests.toy_host import ToyHost
from tests.training.runs import Settings, run, stop_at


@pytest.mark.parametrize(
    ("changes", "where", "told"),
    [
        ({"preview__sampler": "Nosuch"}, "preview.sampler", "'Nosuch'"),
        ({"preview__width": 65}, "preview.width", "65"),
        ({"preview__height": 71}, "preview.height", "71"),
    ],
)
def test_what_would_end_the_run_at_its_first_preview_is_refused(
    tmp_path: Path, settings: Settings, changes: dict[str, object], where: str, told: str
) -> None:
    host = ToyHost(tmp_path)
    for validate in (plan_training, outline_training):
        with pytest.raises(InvalidConfig) as refused:
            validate(host, settings(**changes))
        assert [(fault.where, told in fault.message) for fault in refused.value.faults] == [(where, True)]


@pytest.mark.parametrize("setting", ["preview__seed", "run__seed"])
def test_a_seed_that_no_generator_takes_is_refused(settings: Settings, setting: str) -> None:
    with pytest.raises(InvalidConfig, match="above the most"):
        settings(**{setting: 2**70})


def test_faults_of_name_folder_template_preview_and_rate_come_together(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    changes = {
        "embedding__name": "a/b",
        "data__folder": str(tmp_path / "nowhere"),
        "data__template": "nosuch",
        "preview__sampler": "Nosuch",
        "save__folder": str(tmp_path / "0-thing 0.png" / "in a file"),
    }
    (tmp_path / "0-thing 0.png").touch()
    for validate in (plan_training, outline_training):
        with pytest.raises(FaultList) as refused:
            validate(host, settings(**changes))
        places = {fault.where for fault in refused.value.faults}
        assert places == {"embedding.name", "data.folder", "data.template", "preview.sampler", "save.folder"}


def test_broken_pictures_and_a_wrong_sampler_come_together(tmp_path: Path, settings: Settings, pictures: Path) -> None:
    (pictures / "7.png").write_bytes(b"no picture")
    with pytest.raises(FaultList) as refused:
        plan_training(ToyHost(tmp_path), settings(preview__sampler="Nosuch"))
    assert {fault.where for fault in refused.value.faults} == {"7.png", "preview.sampler"}


def test_captions_that_push_the_placeholder_out_are_told_by_check_before_anything_is_written(
    tmp_path: Path, settings: Settings, pictures: Path
) -> None:
    (pictures / "2-thing 2.txt").write_text("word " * 40)
    (tmp_path / "late.txt").write_text("[filewords] [name]\n")
    host = ToyHost(tmp_path)
    with pytest.raises(TIError) as refused:
        plan_training(host, settings(data__template=str(tmp_path / "late.txt")))
    assert [fault.where for fault in faults_of(refused.value)] == ["2-thing 2.png"]
    assert not host.log_folder().exists()


def test_a_host_at_work_is_asked_once_the_run_has_its_model_and_still_nothing_is_written(
    tmp_path: Path, settings: Settings, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pictures / "2-thing 2.txt").write_text("word " * 40)
    (tmp_path / "late.txt").write_text("[filewords] [name]\n")
    host = ToyHost(tmp_path)
    monkeypatch.setattr(ToyHost, "placeholder_rows", lambda self, prompts, request: None)
    with pytest.raises(TIError, match="0 of the 2 vectors"):
        run(host, settings(data__template=str(tmp_path / "late.txt")))
    assert not host.log_folder().exists()
    assert not list(host.embeddings_folder().glob("*"))


def test_a_host_that_cannot_train_is_told_beside_the_other_faults(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(host: ToyHost, request: SessionRequest) -> None:
        raise HostError("There is no such LoRA.", where="run.networks")

    monkeypatch.setattr(ToyHost, "validate_session", refuse)
    with pytest.raises(InvalidConfig) as refused:
        plan_training(ToyHost(tmp_path), settings(preview__width=65))
    assert {fault.where for fault in refused.value.faults} == {"preview.width", "run.networks"}


def test_tensorboard_that_is_not_installed_is_told(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib_ti.training.validation.find_spec", lambda name: None)
    with pytest.raises(InvalidConfig) as refused:
        plan_training(ToyHost(tmp_path), settings(save__tensorboard=True))
    assert [fault.where for fault in refused.value.faults] == ["save.tensorboard"]


def test_the_same_name_in_another_case_is_told_with_the_name_to_write(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    (host.embeddings_folder() / "animals").mkdir(parents=True)
    (host.embeddings_folder() / "animals" / "Foo.pt").touch()
    with pytest.raises(InvalidConfig) as refused:
        plan_training(host, settings())
    assert [fault.where for fault in refused.value.faults] == ["embedding.name"]
    assert "Foo.pt" in refused.value.faults[0].message
    assert "write Foo " in refused.value.faults[0].hint


def test_folders_are_tried_with_a_file_which_does_not_stay(tmp_path: Path) -> None:
    assert write_obstacle(tmp_path / "a" / "b") == ""
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert "is a file" in write_obstacle(tmp_path / "file" / "below")


def test_a_full_disk_is_told_before_the_first_step(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidConfig) as refused:
        plan_training(ToyHost(tmp_path), settings())
    assert {fault.where for fault in refused.value.faults} == {"save.folder", "save.log_folder"}
    assert "no space left" in refused.value.faults[0].message


def test_stop_is_looked_at_while_pictures_are_checked(tmp_path: Path, settings: Settings) -> None:
    host, control, events = ToyHost(tmp_path), Control(), []

    def emit(event: Event) -> None:
        events.append(event)
        if isinstance(event, Status) and event.text.startswith("Checking picture 2"):
            control.stop()

    assert train(host, settings(), emit, control) is None
    assert events[-1] == Finished(0, None, stopped=True)
    assert not any("picture 4" in event.text for event in events if isinstance(event, Status))
    assert not host.log_folder().exists()


def test_a_rate_that_can_only_be_a_slip_is_told_before_and_its_vectors_while_it_runs(
    tmp_path: Path, settings: Settings
) -> None:
    host = ToyHost(tmp_path)
    assert not any("learning rate" in text for text in plan_training(host, settings(optim__lr="0.005")).warnings)
    plan = plan_training(host, settings(optim__lr="0.005:5, 1e6"))
    assert any("1e+06 moves a vector" in warning and "words are" in warning for warning in plan.warnings)
    told = [event.text for event in run(host, settings(optim__lr="0.005:5, 1e6")) if isinstance(event, Warned)]
    assert sum("vectors of clip_l are" in text and "Step 6" in text for text in told) == 1


# One name, one process


def test_a_name_that_another_process_trains_is_refused_with_the_process(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    path = host.embeddings_folder() / "foo.safetensors"
    code = (
        "import sys, time, pathlib\nfrom lib_ti.training.lock import training_lock\n"
        "with training_lock(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout
            assert other.stdout.readline() == "held\n"
            for validate in (plan_training, outline_training):
                with pytest.raises(Busy, match=f"process {other.pid} on "):
                    validate(host, settings())
        finally:
            other.kill()
            other.wait()
    assert lock_path(path).exists(), "what a killed process leaves"
    run(host, settings())
    assert not lock_path(path).exists()


def test_a_second_run_of_a_name_that_began_meanwhile_writes_nothing(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    plan = plan_training(host, settings())
    with training_lock(plan.path):
        told = json.loads(lock_path(plan.path).read_text())
        assert told["pid"] == os.getpid()
        with pytest.raises(Busy):
            train(host, plan, lambda event: None, Control())
    assert not host.log_folder().exists()
    assert not plan.path.exists()


def test_a_lock_is_let_go_however_the_run_ends(tmp_path: Path, settings: Settings) -> None:
    host, control = ToyHost(tmp_path), Control()
    host.spoil_at = 3
    with pytest.raises(TIError):
        run(host, settings(optim__batch_size=1))
    run(host, settings(embedding__resume=True, optim__batch_size=1), control, stop_at(5, control))
    assert not list(host.embeddings_folder().glob(".*"))


@pytest.mark.parametrize(("free", "warned"), [(8 * 2**30, False), (2 * 2**30, True)])
def test_memory_that_will_not_do_is_told_with_what_needs_less(
    tmp_path: Path, settings: Settings, free: int, warned: bool
) -> None:
    asked = []

    class Telling(ToyHost):
        def update_memory(self, shape: Sequence[int], checkpointing: bool) -> tuple[int, int]:
            asked.append((tuple(shape), checkpointing))
            return 3 * 2**30, free

    plan = plan_training(Telling(tmp_path), settings(optim__micro_batch=1, run__checkpointing=True))
    assert asked[0][1]
    assert asked[0][0][:2] == (1, 4)
    assert any(line.startswith("Memory: an update needs about 3.0 GiB") for line in plan.lines())
    assert any("Gradient checkpointing" in warning for warning in plan.warnings) == warned
    assert not any("Memory" in line for line in plan_training(ToyHost(tmp_path), settings()).lines())
