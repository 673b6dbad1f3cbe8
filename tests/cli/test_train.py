"""`train`: hours of work hang on these flags, and on what Ctrl-C does."""

import csv
import io
import json
import os
import shlex
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lib_ti.cli.main import main
from lib_ti.cli.train import resume_command
from lib_ti.formats.files import load_embedding
from tests.cli.conftest import Opened

Command = Callable[..., tuple[int, str, str]]


def words(pictures: Path, *more: str) -> list[str]:
    short = "--name foo --init round --template subject --steps 6 --seed 1 --preview-every 3 --save-every 2 --out out"
    return ["train", "--data", str(pictures), *shlex.split(short), *more]


def test_a_training_says_its_plan_and_leaves_an_embedding_previews_and_logs(command: Command, pictures: Path) -> None:
    code, out, _ = command(*words(pictures, "--vectors", "2", "--lr", "0.01:4, 1e-3"))
    assert code == 0
    assert "Rate: 0.01 for updates 1 to 4" in out
    assert out.index("Rate:") < out.index("step 6/6")
    embedding = load_embedding(Path("out/foo.safetensors"))
    assert (embedding.step, embedding.rows) == (6, 2)
    run = next(Path("out/logs").glob("*/foo"))
    assert len(list((run / "images").iterdir())) == 3
    rows = list(csv.DictReader(io.StringIO((run / "textual_inversion_loss.csv").read_text())))
    assert [float(row["learn_rate"]) for row in rows] == [0.01] * 4 + [1e-3] * 2


def test_the_host_is_asked_for_what_the_flags_say(command: Command, hosts: list[Opened], pictures: Path) -> None:
    command(
        *words(pictures, "--model", "some.safetensors", "--device", "cpu", "--dtype", "fp32", "--logs", "elsewhere")
    )
    assert hosts[0].asked == ("some.safetensors", "cpu", "fp32")
    assert (hosts[0].embeddings, hosts[0].logs) == (Path("out"), Path("elsewhere"))


def test_flags_go_over_set_and_set_goes_over_the_file(command: Command, pictures: Path) -> None:
    Path("run.yaml").write_text("optim: {steps: 2, batch_size: 2}\nsave.every: 1\npreview: {every: 0}\n")
    code, _, err = command(
        "train", "--config", "run.yaml", "--set", "optim.steps=3", "--set", "run.seed=5", "--data", pictures,
        "--name", "foo", "--init", "round", "--seed", "7", "--template", "subject", "--out", "out",
    )  # fmt: skip
    assert code == 0, err
    settings = json.loads(next(Path("out/logs").glob("*/foo/settings.json")).read_text())
    assert (settings["optim.steps"], settings["optim.batch_size"], settings["run.seed"]) == (3, 2, 7)
    assert settings["preview.every"] == 0


def test_each_further_folder_has_a_flag_of_its_own_or_a_line_of_the_file(command: Command, pictures: Path) -> None:
    for name in ("one", "two two"):
        Path(name).mkdir()
        Path(name, "x.png").write_bytes(next(pictures.glob("*.png")).read_bytes())
    more = ["one; repeats=2", "two two; template=none; caption_prefix=a, b"]
    code, out, err = command(*words(pictures, "--more", more[0], "--more", more[1]))
    assert code == 0, err
    count = len(list(pictures.glob("*.png")))
    assert f"Pictures: {count + 2} ({count + 3} an epoch" in out
    Path("run.yaml").write_text(f"data:\n  more:\n  - {more[0]}\n  - '{more[1]}'\n")
    code, again, err = command(*words(pictures, "--config", "run.yaml", "--overwrite"))
    assert code == 0, err
    assert f"({count + 3} an epoch" in again
    written = [json.loads(path.read_text())["data.more"] for path in Path("out/logs").glob("*/foo*/settings.json")]
    assert written == ["\n".join(more)] * 2


def test_the_settings_that_a_run_wrote_train_the_same_again(command: Command, pictures: Path) -> None:
    command(*words(pictures))
    written = next(Path("out/logs").glob("*/foo/settings.json"))
    assert command("train", "--config", written, "--out", "again")[0] == 0
    first, second = (load_embedding(Path(folder, "foo.safetensors")).vectors for folder in ("out", "again"))
    assert all(second[encoder].equal(first[encoder]) for encoder in first)


def test_wrong_settings_are_told_all_at_once_before_the_model_is_read(command: Command, hosts: list[Opened]) -> None:
    code, out, err = command("train", "--lr", "0.1:5, x", "--vectors", "99", "--set", "optim.lrr=1")
    assert code == 2
    assert out == ""
    assert "optim.lrr" in err
    assert "did you mean optim.lr?" in err
    assert "--vectors" in err
    assert "--name" in err
    line = err.splitlines().index("    0.1:5, x")
    assert err.splitlines()[line + 1] == "           ^"
    assert not hosts


def test_broken_pictures_are_told_by_file_and_end_with_2(command: Command, pictures: Path) -> None:
    (pictures / "broken.png").write_bytes(b"no picture")
    code, _, err = command(*words(pictures))
    assert code == 2
    assert "broken.png" in err
    assert not Path("out/foo.safetensors").exists()


def test_a_trained_embedding_is_not_overwritten_unless_asked(command: Command, pictures: Path) -> None:
    assert command(*words(pictures))[0] == 0
    before = Path("out/foo.safetensors").read_bytes()
    code, _, err = command(*words(pictures))
    assert (code, Path("out/foo.safetensors").read_bytes()) == (2, before)
    assert "foo.safetensors" in err
    assert command(*words(pictures, "--overwrite"))[0] == 0


def test_json_is_one_event_a_line_and_nothing_else(command: Command, pictures: Path) -> None:
    code, out, _ = command(*words(pictures, "--json"))
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [event["step"] for event in events if event["event"] == "StepDone"] == [1, 2, 3, 4, 5, 6]
    assert events[-1] == {
        "event": "Finished",
        "step": 6,
        "path": str(Path("out/foo.safetensors")),
        "stopped": False,
    }


def test_json_tells_of_a_failure_too(command: Command) -> None:
    code, out, err = command("train", "--json", "--name", "foo", "--data", "nowhere", "--out", "out")
    assert code == 2
    assert json.loads(out.splitlines()[-1])["event"] == "Failed"
    assert "nowhere" in err


def interrupt_after(step: int, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C during an update."""
    predictions = 0

    def check(self: object) -> None:
        nonlocal predictions
        predictions += 1
        if predictions == step:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("tests.toy_host.ToySession.check", check)


def test_ctrl_c_saves_and_tells_how_to_resume_to_the_very_same_end(
    command: Command, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(*words(pictures), "--out", "whole")
    with monkeypatch.context() as patch:
        interrupt_after(3, 1, patch)
        code, _, err = command(*words(pictures, "--lr", "0.005"))
    assert code == 130
    assert load_embedding(Path("out/foo.safetensors")).step == 3
    told = next(line for line in err.splitlines() if line.startswith("To go on: "))
    assert command(*shlex.split(told)[6:])[0] == 0
    resumed, whole = (load_embedding(Path(folder, "foo.safetensors")) for folder in ("out", "whole"))
    assert resumed.step == 6
    assert resumed.vectors["clip_l"].equal(whole.vectors["clip_l"])


def test_a_second_ctrl_c_aborts_and_the_old_handler_is_back(
    command: Command, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGINT)
    interrupt_after(3, 2, monkeypatch)
    assert command(*words(pictures))[0] == 130
    assert signal.getsignal(signal.SIGINT) is before


def test_resume_starts_from_nothing_where_there_is_nothing(command: Command, pictures: Path) -> None:
    assert command(*words(pictures, "--resume"))[0] == 0
    assert load_embedding(Path("out/foo.safetensors")).step == 6


@pytest.mark.parametrize("argv", [["train", "--init", 'a cat\'s "toy"', "--lr", "0.1:5, 1e-3"], ["train", "--resume"]])
def test_the_resume_command_survives_a_shell(argv: Sequence[str]) -> None:
    if os.name == "nt":
        pytest.skip("cmd has other quotes")
    assert shlex.split(resume_command(argv))[3:] == [*(word for word in argv if word != "--resume"), "--resume"]


def test_an_unexpected_error_keeps_its_traceback(
    hosts: list[Opened], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.toy_host.ToySession.encode_images", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(words(pictures))


def test_resume_of_a_finished_run_says_so_and_ends_well_so_that_a_loop_over_many_can_be_run_again(
    command: Command, pictures: Path
) -> None:
    command(*words(pictures))
    before = Path("out/foo.safetensors").read_bytes()
    code, out, err = command(*words(pictures, "--resume"))
    assert (code, Path("out/foo.safetensors").read_bytes()) == (0, before)
    assert "The run is finished" in out + err
    assert "--steps" in out + err
    code, out, _ = command(*words(pictures, "--resume", "--json"))
    assert (code, json.loads(out.splitlines()[-1])["event"]) == (0, "Warned")


def test_a_device_that_is_not_there_leaves_nothing_behind(pictures: Path, tmp_path: Path) -> None:
    """With the real host: on a torch for the CPU alone, or beyond the last card."""
    out = tmp_path / "out"
    assert main(words(pictures, "--device", "cuda:77", "--out", str(out))) == 1
    assert not out.exists()
