"""Automatic, as its page has it: a user would lose an embedding that is right without knowing how to choose anything."""

import json
from pathlib import Path

import pytest
import torch

from lib_ti.adapters.detect import open_standalone
from lib_ti.cli.main import main
from lib_ti.config.options import build_config
from lib_ti.config.presets import AUTOMATIC, PRESETS, whole_preset
from lib_ti.config.train import TrainConfig
from lib_ti.demo.concept import CONCEPT, PICTURES, draw_other_pictures
from lib_ti.embedding.vocabulary import word_lengths
from lib_ti.errors import InvalidConfig
from lib_ti.formats.files import load_embedding
from lib_ti.host import SessionRequest
from lib_ti.training.evaluation import FixedBatch, gap_closed

NEEDED = {"embedding.name": "x", "data.folder": "y"}


def test_what_is_given_goes_over_the_preset_and_the_rest_is_the_presets() -> None:
    config = build_config(TrainConfig, NEEDED | {"run": {"preset": "automatic"}, "embedding.vectors": 3})
    assert config.embedding.vectors == 3
    assert config.optim.name == AUTOMATIC["optim.name"]
    assert config.optim.lr == AUTOMATIC["optim.lr"]
    plain = build_config(TrainConfig, NEEDED)
    assert (plain.optim.name, plain.optim.lr, plain.run.preset) == ("adamw", "0.005", "a1111")


def test_every_preset_is_of_settings_that_can_be_used() -> None:
    for name, values in PRESETS.items():
        assert build_config(TrainConfig, NEEDED | {"run.preset": name})
        assert build_config(TrainConfig, NEEDED | dict(values))


def test_a_preset_that_there_is_not_is_told() -> None:
    with pytest.raises(InvalidConfig, match="automatic"):
        build_config(TrainConfig, NEEDED | {"run.preset": "automatc"})


def test_going_back_to_the_other_preset_leaves_nothing_of_the_first() -> None:
    defaults = {path: f"default of {path}" for path in AUTOMATIC}
    assert whole_preset("automatic", defaults) == dict(sorted(AUTOMATIC.items()))
    assert whole_preset("a1111", defaults) == defaults


@pytest.mark.slow
@pytest.mark.parametrize("model", ["demo", "demo-xl"])
def test_automatic_needs_pictures_and_a_name_ends_by_itself_and_learns_what_they_show(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command of docs/automatic.md, on a thing that the models never saw."""
    name = "tinystar"
    command = ["train", "--preset", "automatic", "--model", model, "--data", str(PICTURES), "--name", name]
    assert main([*command, "--seed", "5", "--out", str(tmp_path), "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    measured = [event for event in events if event["event"] == "Measured"]
    assert events[-1]["event"] == "Finished"
    assert not events[-1]["stopped"]
    images = events[-1]["step"] + sum(event["images"] for event in measured)
    assert images <= 300
    best = min(measured, key=lambda event: event["score"])["step"]
    embedding = load_embedding(tmp_path / f"{name}.safetensors")
    assert embedding.step == best
    assert any(event["event"] == "Judged" for event in events)

    host = open_standalone(model, "cpu", "fp32", tmp_path, tmp_path / "logs")
    for encoder, length in word_lengths(host).items():
        assert float(embedding.vectors[encoder].norm(dim=1).max()) <= length * 1.001
    pictures = [torch.from_numpy(picture).permute(2, 0, 1) / 127.5 - 1 for picture in draw_other_pictures(8)]
    with host.training_session(SessionRequest(name, embedding.rows)) as session:
        batch = FixedBatch(session, pictures)
        losses = [
            batch.loss(f"a photo of a {word}", {name: embedding.vectors})
            for word in (CONCEPT.init_text, name, CONCEPT.phrase)
        ]
    assert gap_closed(losses[0], losses[1], losses[2]) > 0.8
