"""A user of a WebUI loses: settings that stay, count where they are meant to, and open no door that should be shut;
a setting that a picture of ours had needed otherwise, and the choice made while it was drawn."""

import argparse
import importlib.util
import sys
import time
from html import escape
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from lib_ti.adapters.webui import settings
from lib_ti.api.routes import PREFIX, add_routes
from lib_ti.api.security import Access
from lib_ti.app import App
from lib_ti.config.options import build_config, config_values, walk_options
from lib_ti.config.train import TrainConfig
from tests.toy_host import ToyHost


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
    assert ours.keys() == {settings.EXPRESSIONS, settings.LOGS}


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
    assert settings.api_folders() == ()


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


class WebuiHost(ToyHost):
    """The toy host, with its logs where the WebUI's settings say."""

    def log_folder(self) -> Path:
        return settings.log_folder()


def restarted(webui: SimpleNamespace, folder: Path) -> TestClient:
    """The WebUI's server after a start: our API, and Forge's request that sets and saves any setting."""
    server = FastAPI()

    @server.post("/sdapi/v1/options")
    def set_config(wanted: dict[str, Any]) -> None:
        webui.opts.data |= wanted

    access = Access(pictures=settings.api_folders(), defaults=settings.defaults(), logs=settings.api_log_folders())
    add_routes(server, App(WebuiHost(folder)), access)
    return TestClient(server)


def train_values(folder: Path, name: str = "moth") -> dict[str, Any]:
    return {
        "embedding": {"name": name, "init": "round"},
        "data": {"folder": str(folder), "template": "subject"},
        "optim": {"steps": 2},
        "preview": {"every": 0},
    }


def test_no_request_opens_a_folder_to_requests_not_even_after_a_restart(
    webui: SimpleNamespace, tmp_path: Path, pictures: Path
) -> None:
    """In Forge, whoever holds the API's password sets any setting by a request, which saves it too."""
    settings.add_settings()
    (tmp_path / "embeddings").mkdir()
    secret = tmp_path / "outside" / "secret.pt"
    secret.parent.mkdir()
    secret.write_bytes(b"a secret")
    wanted = {
        name: str(tmp_path / "outside") for name in (settings.LOGS, "ti_lab_picture_folders", "ti_lab_api_folder")
    }
    client = restarted(webui, tmp_path)
    for _ in range(2):
        assert client.post("/sdapi/v1/options", json=wanted).status_code == 200
        read = client.post(f"{PREFIX}/inspect", json={"file": str(secret)})
        assert read.status_code == 422
        assert "does not reach" in read.text
        taught = client.post(f"{PREFIX}/train/preflight", json=train_values(pictures))
        assert "does not reach" in taught.text
        client = restarted(webui, tmp_path)


def test_a_run_of_a_request_is_logged_where_requests_may_write(
    webui: SimpleNamespace, tmp_path: Path, pictures: Path
) -> None:
    settings.add_settings()
    (tmp_path / "embeddings").mkdir()
    webui.shared.cmd_opts.ti_lab_api_folder = [str(pictures)]
    usual = tmp_path / "textual_inversion"
    for name, typed, place in (
        ("a", "", usual),
        ("b", str(tmp_path / "outside"), usual),
        ("c", str(pictures), pictures),
    ):
        webui.opts.data[settings.LOGS] = typed
        client = restarted(webui, tmp_path)
        started = client.post(f"{PREFIX}/train/start", json=train_values(pictures, f"moth-{name}"))
        assert started.status_code == 202, started.text
        for _ in range(600):
            status = client.get(f"{PREFIX}/train/status").json()
            if not status["active"]:
                break
            time.sleep(0.1)
        assert status["state"] == "finished", status
        log = client.get(f"{PREFIX}/train/log").json()["run_folder"]
        assert Path(log).is_relative_to(place)
    assert not (tmp_path / "outside").exists()


def test_the_flag_is_one_of_the_webuis_command_line(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    spec = importlib.util.spec_from_file_location("preload", Path(__file__).parents[3] / "preload.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.preload(parser)
    assert parser.parse_args([]).ti_lab_api_folder == []
    assert parser.parse_args(["--ti-lab-api-folder", "a", "--ti-lab-api-folder", "b"]).ti_lab_api_folder == ["a", "b"]
    parser.format_help()


def test_only_pages_that_the_webui_lets_in_may_ask_through_a_browser(webui: SimpleNamespace, tmp_path: Path) -> None:
    webui.shared.cmd_opts.cors_allow_origins = "https://mine.example,https://other.example"
    webui.shared.cmd_opts.cors_allow_origins_regex = r"https://.*\.lab"
    server = FastAPI()
    add_routes(server, App(ToyHost(tmp_path)), Access(pages=settings.page_allowed))
    client = TestClient(server, "http://127.0.0.1:7860")

    def ask(**headers: str) -> int:
        return client.get(f"{PREFIX}/model", headers=headers).status_code

    assert ask() == 200, "no browser"
    own = ("http://127.0.0.1:7860", "https://mine.example", "https://a.lab")
    assert {ask(origin=one, **{"sec-fetch-site": "cross-site"}) for one in own} == {200}
    foreign = ("http://127.0.0.1:7861", "https://evil.example", "null", "https://a.lab.evil.example")
    assert {ask(origin=one) for one in foreign} == {403}
    assert ask(**{"sec-fetch-site": "same-site"}) == 403, "a picture or script on a page of another port"
    webui.shared.cmd_opts.cors_allow_origins = None
    assert ask(origin="https://mine.example") == 403
