"""A user would lose: training that sees whole pictures, after a picture that was made in tiles."""

from types import SimpleNamespace

from torch import nn

from lib_ti.adapters.webui.leftovers import without_hypertile


def test_attention_in_tiles_is_off_meanwhile_and_as_before_afterwards() -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1)), nn.Linear(1, 1))
    params = [SimpleNamespace(enabled=True), SimpleNamespace(enabled=False)]
    for module, given in zip((network[1][0], network[2]), params, strict=True):  # type: ignore[index]
        setattr(module, "__webui_hypertile_params", given)
    with without_hypertile(network):
        assert [given.enabled for given in params] == [False, False]
    assert [given.enabled for given in params] == [True, False]
