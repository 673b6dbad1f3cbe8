"""Our section of the WebUI's settings; what its own Training section, its folders and its passwords mean for us; and settings
that are otherwise for a while."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from lib_ti.config.options import Option, walk_options
from lib_ti.config.train import TrainConfig

SECTION = ("ti_lab", "TI Lab")
EXPRESSIONS, LOGS = "ti_lab_expressions", "ti_lab_log_folder"

OWN = {
    EXPRESSIONS: Option("Expressions in prompts", "<'cat'*0.5 + 'dog'> is evaluated in every prompt."),
    LOGS: Option("Log directory", "For copies, previews and logs of runs; empty is textual_inversion."),
}
"""Settings that are of the WebUI alone."""

LASTING = ("save.format", "preview.every", "save.every", "save.in_previews", "run.checkpointing")
"""Settings of a training that users want otherwise for good. `save.format` counts for Create and Merge as well."""

TRAINING = {
    "training_write_csv_every": "save.csv_every",
    "training_enable_tensorboard": "save.tensorboard",
    "save_optimizer_state": "save.optim",
    "unload_models_when_training": "run.offload_images",
}
"""The WebUI's own settings that mean the same as ours."""


def add_settings() -> None:
    """For `script_callbacks.on_ui_settings`."""
    from modules import shared

    known = {path: (default, about) for path, _, default, about in walk_options(TrainConfig)}
    options = {
        EXPRESSIONS: _option(True, OWN[EXPRESSIONS]),
        **{key(path): _option(*known[path]).needs_reload_ui() for path in LASTING},
        LOGS: _option("", OWN[LOGS]),
    }
    options[LOGS].restrict_api = True  # Forge's API sets it all the same: see `api_log_folders`
    for name, option in options.items():
        shared.opts.add_option(name, option)


def key(path: str) -> str:
    """key("save.format") -> "ti_lab_save_format"."""
    return f"ti_lab_{path.replace('.', '_')}"


def defaults() -> dict[str, Any]:
    """What the user has set for good, by dotted path. The WebUI's own settings count once they were changed: some of its
    values, such as a row of losses every 500 steps, serve runs as long as its own."""
    found = {path: _value(key(path)) for path in LASTING}
    found |= {path: _value(name) for name, path in TRAINING.items() if _changed(name)}
    return {path: value for path, value in found.items() if value is not None}


def expressions_wanted() -> bool:
    return _value(EXPRESSIONS) is not False


def log_folder() -> Path:
    return _usual_logs().parent / (str(_value(LOGS) or "").strip() or _usual_logs().name)


def api_folders() -> tuple[Path, ...]:
    """That the user has opened to requests. By the command line alone: settings are saved where requests write too, as Forge's
    `/sdapi/v1/options` sets whatever it is asked to."""
    from modules import shared

    return tuple(Path(folder).absolute() for folder in getattr(shared.cmd_opts, "ti_lab_api_folder", ()))


def api_log_folders() -> tuple[Path, ...]:
    """Where requests may keep logs, whatever the settings say."""
    return (_usual_logs(), *api_folders())


def _usual_logs() -> Path:
    from modules import paths

    return Path(paths.data_path).absolute() / "textual_inversion"


def api_wanted() -> bool:
    """Where the WebUI's own API is on. Without it nobody expects one, nor has given it a password."""
    from modules import shared

    return bool(shared.cmd_opts.api or shared.cmd_opts.nowebui)


def credentials() -> dict[str, str]:
    """Passwords by user: those of the API, else those of the page, since our API can do what our tab can."""
    from modules import initialize_util, shared

    pairs = (text.partition(":") for text in (shared.cmd_opts.api_auth or "").split(",") if text)
    of_the_api = {user: password for user, _, password in pairs}
    return of_the_api or {pair[0]: pair[-1] for pair in initialize_util.get_gradio_auth_creds()}


def page_allowed(origin: str) -> bool:
    """Whether pages of that origin may use the WebUI's API in a browser, by its own flags."""
    from modules import shared

    named = (getattr(shared.cmd_opts, "cors_allow_origins", None) or "").split(",")
    pattern = getattr(shared.cmd_opts, "cors_allow_origins_regex", None)
    return origin in named or "*" in named or bool(pattern and re.fullmatch(pattern, origin))


@contextmanager
def options_set(**values: Any) -> Iterator[None]:
    """Settings of the WebUI have `values` meanwhile, but for what the user changes meanwhile, which stays.

    Past the setters, which would act on a change, and refuse one where settings are frozen.
    """
    from modules import shared

    data = shared.opts.data
    kept = {name: data[name] for name in values if name in data}
    data.update(values)
    try:
        yield
    finally:
        for name in [name for name, value in values.items() if data.get(name) is value]:
            if name in kept:
                data[name] = kept[name]
            else:
                del data[name]


def _option(default: Any, about: Option) -> Any:
    from modules import options, shared

    component: Any = None
    arguments: dict[str, Any] | None = None
    if about.choices:
        component, arguments = shared.gr.Radio, {"choices": list(about.choices)}
    elif type(default) is int:
        arguments = {"precision": 0}
    option = options.OptionInfo(default, about.label, component, arguments, section=SECTION, category_id="training")
    return option.info(
        f"TI Lab: {escape(about.help)}"
    )  # the page's search reads each setting alone, without its section


def _value(name: str) -> Any:
    """None where the WebUI has no such setting."""
    from modules import shared

    return shared.opts.data.get(name)


def _changed(name: str) -> bool:
    from modules import shared

    return name in shared.opts.data_labels and _value(name) not in (None, shared.opts.data_labels[name].default)
