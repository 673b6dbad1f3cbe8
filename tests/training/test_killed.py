"""A user would lose: a night's training, to a power cut."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from lib_ti.config.options import config_values
from lib_ti.training import keeper
from lib_ti.training.log import read_losses
from lib_ti.training.state import RunState, save_state, state_path
from tests.toy_host import ToyHost
from tests.training.runs import Settings, final_vectors, run, same

KILLED = """
    import sys, time
    from pathlib import Path
    from lib_ti.config.train import TrainConfig
    from lib_ti.config.options import build_config
    from lib_ti.control import Control
    from lib_ti.events import StepDone
    from lib_ti.training.plan import plan_training
    from lib_ti.training.run import train
    from tests.toy_host import ToyHost
    import json, torch
    torch.set_num_threads(1)

    def emit(event):
        if isinstance(event, StepDone):
            print(event.step, flush=True)
            time.sleep(0.002)

    host, config = ToyHost(Path(sys.argv[1])), build_config(TrainConfig, json.loads(sys.argv[2]))
    train(host, plan_training(host, config), emit, Control())
"""


WAYS: dict[str, dict[str, Any]] = {
    "adamw": {},
    "normalised": {"optim__name": "normalised", "optim__length": "cap", "optim__lr": "warmup:9, 0.3r cosine:80, 0.1r"},
    "prodigy": {"optim__name": "prodigy", "optim__lr": "1 linear", "optim__weight_decay": 0.01},
    "best and end": {
        "optim__lr": "0.1r cosine:50, 0.05r cosine:100, 1e-7r cosine:150, 0.1r",
        "measure__end": True,
        "measure__best": True,
        "measure__every": 13,
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_killed_at_random_moments_and_resumed_is_bit_equal(tmp_path: Path, settings: Settings, way: str) -> None:
    """kill -9, ten times in one run; each time the same command with resume."""
    changes = {"optim__steps": 150, "save__every": 5, "preview__every": 20, "embedding__resume": True} | WAYS[way]
    whole = ToyHost(tmp_path / "whole")
    run(whole, settings(**changes))

    values = json.dumps(config_values(settings(**changes)))
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "killed"), values]
    root = Path(__file__).parents[2]
    chance, steps = random.Random(4), []
    for _ in range(10):
        with subprocess.Popen(
            command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(chance.randint(1, 14)):
                steps.append(int(process.stdout.readline()))
            time.sleep(chance.random() * 0.01)
            process.send_signal(signal.SIGKILL)
    assert steps[-1] > 14, "no run went on where another had ended"
    host = ToyHost(tmp_path / "killed")
    run(host, settings(**changes))
    assert same(final_vectors(host), final_vectors(whole))
    tables = [read_losses(p) for p in (tmp_path / "killed/log").glob("*/*/textual_inversion_loss.csv")]
    assert [int(row["step"]) for row in max(tables, key=len)] == list(range(1, 151))


def test_killed_between_the_finished_file_and_its_state_the_run_goes_on_with_its_momentum(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the moments of tests/test_killed.py the one that is easily missed."""
    first, further = ({"optim__steps": steps, "embedding__resume": True} for steps in (7, 14))
    host, whole = ToyHost(tmp_path / "killed"), ToyHost(tmp_path / "whole")

    def killed(path: Path, state: RunState) -> None:
        if path == state_path(host.embeddings_folder() / "foo.safetensors"):
            raise KeyboardInterrupt
        save_state(path, state)

    monkeypatch.setattr(keeper, "save_state", killed)
    with pytest.raises(KeyboardInterrupt):
        run(host, settings(**first))
    monkeypatch.undo()
    run(host, settings(**further))
    run(whole, settings(**first))
    run(whole, settings(**further))
    assert same(final_vectors(host), final_vectors(whole))
    assert sorted(path.name for path in (tmp_path / "whole/log").glob("*/*/embeddings/*.state")) == [
        "foo-12.state",
        "foo-4.state",
        "foo-8.state",
    ], "beside its copies, a run that has ended leaves no state there"
