"""What a WebUI runs of us: it puts the tab "TI Lab" on the page, and lets every prompt hold expressions."""

from typing import Any

from modules import script_callbacks

# Here and not in the function: once this file is read, the WebUI takes our folder off sys.path, and only a package that
# is known by then can import the rest of itself.
from lib_ti.adapters.ldm.host import LdmHost
from lib_ti.adapters.webui import prompts
from lib_ti.app import shared_app


def build() -> list[tuple[Any, str, str]]:
    from lib_ti.ui.tab import build_tab

    return [(build_tab(shared_app(LdmHost)), "TI Lab", "ti_lab")]


script_callbacks.on_ui_tabs(build)
prompts.register(shared_app(LdmHost))
