"""A user would lose: the picture of how the run went."""

from pathlib import Path

import pytest
from PIL import Image

from lib_ti.training.plot import running_mean, save_loss_plot


def test_plot_is_a_picture_with_curves_in_it(tmp_path: Path) -> None:
    table = tmp_path / "loss.csv"
    table.write_text(
        "step,epoch,epoch_step,loss,learn_rate\n" + "".join(f"{n},0,{n},{1 / n},0.005\n" for n in range(1, 50))
    )
    assert save_loss_plot(table, tmp_path / "loss.png", "foo")
    colours = Image.open(tmp_path / "loss.png").convert("RGB").getcolors(1 << 20)
    assert colours is not None
    for curve in [(27, 94, 155), (217, 130, 43)]:  # the running mean's blue and the learning rate's orange
        assert any(max(abs(a - b) for a, b in zip(curve, colour, strict=True)) < 40 for _, colour in colours)


def test_no_rows_no_picture(tmp_path: Path) -> None:
    assert not save_loss_plot(tmp_path / "missing.csv", tmp_path / "loss.png", "foo")
    assert not (tmp_path / "loss.png").exists()


def test_running_mean_has_no_bias_at_its_start() -> None:
    assert running_mean([2.0] * 5) == pytest.approx([2.0] * 5)
    assert running_mean([1.0, 0.0])[1] == pytest.approx(0.95 / 1.95)
