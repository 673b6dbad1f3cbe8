"""What a WebUI runs of us: it puts the tab "TI Lab" on the page and its settings among the others, lets every prompt hold
expressions, and answers requests under /ti-lab/v1."""

from typing import Any

from modules import script_callbacks

# Here and not in the function: once this file is read, the WebUI takes our folder off sys.path, and only a package that
# is known by then can import the rest of itself.
from lib_ti.adapters.detect import webui_host
from lib_ti.adapters.webui import prompts, settings
from lib_ti.app import shared_app


def build() -> list[tuple[Any, str, str]]:
    from lib_ti.ui.tab import build_tab

    return [(build_tab(shared_app(webui_host), settings.defaults()), "TI Lab", "ti_lab")]


def serve(_page: Any, server: Any) -> None:
    from lib_ti.api.routes import add_routes
    from lib_ti.api.security import Access

    if settings.api_wanted():
        access = Access(
            settings.credentials(),
            settings.api_folders(),
            settings.defaults(),
            settings.api_log_folders(),
            "start the WebUI with --ti-lab-api-folder DIR to open another",
            settings.page_allowed,
        )
        add_routes(server, shared_app(webui_host), access)


script_callbacks.on_ui_settings(settings.add_settings)
script_callbacks.on_ui_tabs(build)
script_callbacks.on_app_started(serve)
prompts.register(shared_app(webui_host))
