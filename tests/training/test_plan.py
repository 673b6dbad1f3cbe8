"""A user would lose: knowing what a run will do, and every fault of it, before it begins."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lib_ti.config.train import TrainConfig
from lib_ti.embedding.vocabulary import word_lengths
from lib_ti.errors import InvalidConfig, InvalidDataset, NothingLeft
from lib_ti.training.plan import plan_training
from tests.toy_host import ToyHost
from tests.training.runs import run

Settings = Callable[..., TrainConfig]


def test_plan_says_rates_epochs_buckets_and_files(tmp_path: Path, settings: Settings) -> None:
    plan = plan_training(
        ToyHost(tmp_path), settings(optim__lr="0.005:100, 1e-3", optim__steps=300, optim__accumulation=2)
    )
    assert plan.rates == ("0.005 for updates 1 to 100", "0.001 for updates 101 to 300")
    assert plan.steps_per_epoch == 2  # 5 pictures, 4 an update
    assert sum(plan.buckets.values()) == 5
    assert len(plan.buckets) == 2
    text = "\n".join(plan.lines())
    for part in ("0.005 for updates 1 to 100", "4 pictures (batch size 2 x 2)", "64x64: 4", str(plan.path), "toy"):
        assert part in text
    assert not plan.start.folder.root.exists()  # looking changes nothing


def test_plan_says_a_relative_rate_both_ways_for_each_encoder(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path, "sdxl")
    plan = plan_training(host, settings(optim__lr="warmup:5, 0.6r cosine", optim__name="normalised", optim__steps=50))
    told = [line for line in plan.lines() if line.startswith("Rate:")]
    assert told[0].startswith("Rate: 0.12r to 0.6r (at most ")
    assert told[1].endswith("for updates 6 to 50")
    for name, length in word_lengths(host).items():
        assert f"{0.6 * length / host.model().encoder(name).width ** 0.5:.3g} in {name}" in told[1]


@pytest.mark.parametrize(
    ("changes", "family", "where"),
    [
        ({"embedding__name": "a/b"}, "sd1", "embedding.name"),
        ({"embedding__init": " "}, "sd1", "embedding.init"),
        ({"save__format": "pt"}, "sdxl", "save.format"),
        ({"optim__encoders": "clip_g"}, "sd1", "optim.encoders"),
    ],
)
def test_faults_are_told_by_field(
    tmp_path: Path, settings: Settings, changes: dict[str, object], family: str, where: str
) -> None:
    with pytest.raises(InvalidConfig) as faults:
        plan_training(ToyHost(tmp_path, family), settings(**changes))
    assert [fault.where for fault in faults.value.faults] == [where]


def test_broken_pictures_are_told_by_file_before_any_model_work(
    tmp_path: Path, settings: Settings, pictures: Path
) -> None:
    (pictures / "7.png").write_bytes(b"no picture")
    (pictures / "8.jpg").write_bytes(b"")
    with pytest.raises(InvalidDataset) as faults:
        plan_training(ToyHost(tmp_path), settings())
    assert [fault.where for fault in faults.value.faults] == ["7.png", "8.jpg"]


def test_a_wildcard_whose_long_option_pushes_the_name_out_of_sight_is_refused(
    tmp_path: Path, settings: Settings, pictures: Path
) -> None:
    (tmp_path / "own.txt").write_text("[filewords] [name]")
    changes = {"data__template": str(tmp_path / "own.txt"), "data__wildcards": True}
    (pictures / "0-thing 0.txt").write_text("{short|" + "long " * 20 + "}")
    assert plan_training(ToyHost(tmp_path), settings(**changes)).prompts_seen
    (pictures / "0-thing 0.txt").write_text("{short|" + "long " * 30 + "}")
    with pytest.raises(InvalidDataset) as faults:
        plan_training(ToyHost(tmp_path), settings(**changes))
    assert [fault.where for fault in faults.value.faults] == ["0-thing 0.png"]


def test_epochs_come_to_updates_with_repeats_and_over_all_runs(
    tmp_path: Path, settings: Settings, pictures: Path
) -> None:
    host = ToyHost(tmp_path)
    (pictures / "3_x").mkdir()
    (pictures / "0-thing 0.png").rename(pictures / "3_x" / "a.png")  # 4 + 3 samples an epoch, 2 an update
    plan = plan_training(host, settings(optim__epochs=3))
    assert (plan.last_step, plan.config.optim.steps) == (11, 11)
    assert "Steps: 1 to 11, 3.1 epochs" in plan.lines()
    assert plan_training(host, settings(optim__epochs=3, optim__lr="0.01:4")).last_step == 4
    assert plan_training(host, settings(optim__lr="0.01")).last_step == 12
    run(host, settings(optim__epochs=3))
    again = plan_training(host, settings(optim__epochs=6, optim__batch_size=10, embedding__resume=True))
    assert (again.first_step, again.last_step) == (11, 13)  # 42 samples in all, of which 22 are seen
    assert not again.warnings or "Epochs" not in again.warnings[0]
    with pytest.raises(NothingLeft) as told:
        plan_training(host, settings(optim__epochs=3, embedding__resume=True))
    assert [(fault.where, fault.message) for fault in told.value.faults] == [
        ("optim.epochs", "3 epochs leave nothing to train")
    ]


def test_a_prediction_type_that_is_not_the_models_is_warned_of(tmp_path: Path, settings: Settings) -> None:
    def told(prediction: str) -> list[str]:
        plan = plan_training(ToyHost(tmp_path), settings(loss__prediction=prediction))
        return [warning for warning in plan.warnings if "predicted" in warning]

    assert told("auto") == told("epsilon") == []
    assert told("v_prediction") == [
        "It is trained as if the model predicted v_prediction, and it is taken for one of epsilon: so are previews."
    ]


def test_a_name_that_clashes_with_another_file_is_warned_of(tmp_path: Path, settings: Settings) -> None:
    host = ToyHost(tmp_path)
    host.embeddings_folder().mkdir()
    (host.embeddings_folder() / "foo bar.pt").touch()
    plan = plan_training(host, settings(embedding__name="foo"))
    assert any("foo bar" in warning for warning in plan.warnings)


def test_the_users_own_templates_are_found_and_win_over_ours(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "subject.txt").write_text("my [name]\n")
    plan = plan_training(ToyHost(tmp_path), settings(data__template="subject"))
    assert plan.dataset.sources[0].template.lines == ("my [name]",)


def test_a_name_of_ordinary_words_is_a_line_of_the_plan_and_no_warning(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ToyHost, "placeholder_rows", lambda self, prompts, request: None
    )  # it knows names of one word alone
    plan = plan_training(ToyHost(tmp_path), settings(embedding__name="round thing"))
    assert not any("made of words" in warning for warning in plan.warnings)
    assert any(line.startswith("Name: 'round thing' is made of words") for line in plan.lines())
