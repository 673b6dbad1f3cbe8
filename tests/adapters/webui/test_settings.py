"""A user of a WebUI loses: settings that stay, count where they are meant to, and open no door that should be shut;
a setting that a picture of ours had needed otherwise, and the choice made while it was drawn."""

import sys
from html import escape
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from lib_ti.adapters.webui import settings
from lib_ti.config.options import build_config, config_values, walk_options
from lib_ti.config.train import TrainConfig


class OptionInfo:
    """As the WebUI's: what it is given is what it shows, and `type(default)` decides on the widget."""

    def __init__(self, default: Any, label: str, component: Any, component_args: Any, section: Any, category_id: str):
        self.default, self.label, self.component, self.component_args = default, label, component, component_args
        self.section, self.category_id, self.restrict_api = section, category_id, False
        self.help, self.reload = "", False

    def info(self, text: str) -> "OptionInfo":
        self.help = text
        return self

    def needs_reload_ui(self) -> "OptionInfo":
        self.reload = True
        return self


class Options:
    def __init__(self, loaded: dict[str, Any]) -> None:
        self.data = dict(loaded)
        theirs = {"training_write_csv_every": 500, "save_optimizer_state": False, "training_enable_tensorboard": False}
        self.data_labels = {name: SimpleNamespace(default=default) for name, default in theirs.items()}

    def add_option(self, key: str, info: OptionInfo) -> None:
        self.data_labels[key] = info  # type: ignore[assignment]
        self.data.setdefault(key, info.default)


@pytest.fixture
def webui(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """A stand-in of what is used of `modules`, built from the WebUI's 1.10."""
    shared = SimpleNamespace(
        opts=Options({}),
        cmd_opts=SimpleNamespace(api=True, nowebui=False, api_auth=None),
        gr=SimpleNamespace(Radio="radio"),
    )
    modules = ModuleType("modules")
    modules.shared = shared  # type: ignore[attr-defined]
    modules.options = SimpleNamespace(OptionInfo=OptionInfo)  # type: ignore[attr-defined]
    modules.paths = SimpleNamespace(data_path=str(tmp_path))  # type: ignore[attr-defined]
    login: list[tuple[str, ...]] = []
    modules.initialize_util = SimpleNamespace(get_gradio_auth_creds=lambda: iter(login))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "modules", modules)
    return SimpleNamespace(shared=shared, opts=shared.opts, login=login)


def test_the_section_holds_settings_with_their_own_label_help_default_and_choices(webui: SimpleNamespace) -> None:
    settings.add_settings()
    ours = {name: info for name, info in webui.opts.data_labels.items() if name.startswith("ti_lab_")}
    assert {info.section for info in ours.values()} == {("ti_lab", "TI Lab")}
    for path, _, default, about in walk_options(TrainConfig):
        if path in settings.LASTING:
            info = ours.pop(settings.key(path))
            assert (info.default, info.label, info.help, info.reload) == (
                default,
                about.label,
                f"TI Lab: {escape(about.help)}",
                True,
            )
            assert (info.component_args or {}).get("choices", []) == list(about.choices)
    assert ours.keys() == {settings.EXPRESSIONS, settings.LOGS, settings.PICTURES}
    assert {name for name, info in ours.items() if info.restrict_api} == {settings.LOGS, settings.PICTURES}


def test_the_search_on_the_settings_page_finds_all_of_ours_by_our_name(webui: SimpleNamespace) -> None:
    """It looks into what each setting shows: label and help, and not the title of its section."""
    settings.add_settings()
    for name, info in webui.opts.data_labels.items():
        if name.startswith("ti_lab_"):
            assert "ti lab" in f"{info.label} {info.help}".lower(), name


def test_untouched_settings_change_nothing(webui: SimpleNamespace) -> None:
    assert settings.defaults() == {}, "before the section is there"
    settings.add_settings()
    plain = config_values(TrainConfig())
    assert {**plain, **settings.defaults()} == plain
    assert settings.expressions_wanted()
    assert settings.picture_folders() == ()


def test_what_was_set_is_a_default_that_the_rules_take(webui: SimpleNamespace) -> None:
    settings.add_settings()
    webui.opts.data |= {"ti_lab_save_format": "pt", "ti_lab_preview_every": 50.0, "save_optimizer_state": True}
    webui.opts.data |= {"training_write_csv_every": 10, "training_enable_tensorboard": False}
    wanted = settings.defaults()
    assert wanted["save.csv_every"] == 10
    assert "save.tensorboard" not in wanted
    built = build_config(TrainConfig, {**wanted, "embedding.name": "moth", "data.folder": "x"})
    assert (built.save.format, built.preview.every, built.save.optim) == ("pt", 50, True)


def test_the_webuis_settings_lead_to_settings_that_exist() -> None:
    known = {path for path, *_ in walk_options(TrainConfig)}
    assert {*settings.LASTING, *settings.TRAINING.values()} <= known


def test_logs_go_where_they_should(webui: SimpleNamespace, tmp_path: Path) -> None:
    assert settings.log_folder() == tmp_path / "textual_inversion"
    settings.add_settings()
    for typed, folder in (("", "textual_inversion"), ("  ", "textual_inversion"), ("runs", "runs")):
        webui.opts.data[settings.LOGS] = typed
        assert settings.log_folder() == tmp_path / folder
    webui.opts.data[settings.LOGS] = str(tmp_path / "far")
    assert settings.log_folder() == tmp_path / "far"


def test_expressions_can_be_switched_off(webui: SimpleNamespace) -> None:
    from lib_ti.adapters.webui import prompts

    settings.add_settings()
    assert prompts._may_hold("a <'cat'>")
    webui.opts.data[settings.EXPRESSIONS] = False
    assert not prompts._may_hold("a <'cat'>")


def test_the_api_is_there_where_the_webuis_is(webui: SimpleNamespace) -> None:
    assert settings.api_wanted()
    webui.shared.cmd_opts.api = False
    assert not settings.api_wanted()
    webui.shared.cmd_opts.nowebui = True
    assert settings.api_wanted()


def test_the_password_is_the_apis_else_the_pages(webui: SimpleNamespace) -> None:
    assert settings.credentials() == {}
    webui.login.append(("ann", "an:opener"))
    assert settings.credentials() == {"ann": "an:opener"}
    webui.shared.cmd_opts.api_auth = "bob:word,eve:other:word"
    assert settings.credentials() == {"bob": "word", "eve": "other:word"}


def test_settings_are_otherwise_only_meanwhile(webui: SimpleNamespace) -> None:
    webui.opts.data["sd_model_checkpoint"] = "first.safetensors"
    with settings.options_set(sd_model_checkpoint="pinned", clip_skip=2):
        assert webui.opts.data == {"sd_model_checkpoint": "pinned", "clip_skip": 2}
    assert webui.opts.data == {"sd_model_checkpoint": "first.safetensors"}


def test_a_checkpoint_chosen_while_a_preview_is_drawn_stays_chosen(webui: SimpleNamespace) -> None:
    webui.opts.data["sd_model_checkpoint"] = "first.safetensors"
    with settings.options_set(sd_model_checkpoint="pinned", clip_skip=2):
        webui.opts.data["sd_model_checkpoint"] = "second.safetensors"
    assert webui.opts.data == {"sd_model_checkpoint": "second.safetensors"}
