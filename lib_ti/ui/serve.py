"""The tab by itself in a browser, without a WebUI around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from lib_ti.app import App
from lib_ti.errors import TIError
from lib_ti.ui.tab import build_tab

_PLACES = (Path(__file__).parent / "page", Path(__file__).parents[2])
"""Of script and style: in an installed package, and in the repository, where a WebUI looks for them."""
PAGE = next(place for place in _PLACES if (place / "style.css").is_file())


def serve(
    app: App,
    host: str = "127.0.0.1",
    port: int = 7861,
    open_browser: bool = True,
    defaults: Mapping[str, Any] | None = None,
    routes: Sequence[Any] = (),
    middleware: Sequence[Any] = (),
) -> None:
    """Serve until Ctrl-C; a run in progress is then stopped and saved. `routes` of the API are answered too, and shown
    under /docs. All answers go through `middleware` of Starlette's. Raises TIError where the port is taken."""
    head = f"<script>{(PAGE / 'javascript' / 'ti_lab.js').read_text(encoding='utf-8')}</script>"
    css = (PAGE / "style.css").read_text(encoding="utf-8")
    try:
        launch(build_tab(app, defaults), host, port, open_browser, head, css, routes, middleware)
    except OSError as error:
        raise TIError(f"Port {port} of {host} cannot be used: {error}", "Choose another with --port.") from error
    job = app.jobs.current
    if job and job.active:
        job.control.stop()
        job.wait()


def launch(
    tab: gr.Blocks,
    host: str,
    port: int,
    open_browser: bool,
    head: str,
    css: str,
    routes: Sequence[Any] = (),
    middleware: Sequence[Any] = (),
) -> None:
    """Serve the tab alone until Ctrl-C, on gradio 6, with our script and style, which a WebUI loads by itself; and `routes`
    of FastAPI's, behind `middleware` of Starlette's."""
    guarded: dict[str, Any] = {"middleware": list(middleware)}
    theme = gr.themes.Base(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        radius_size="md",
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
    )
    tab.launch(
        server_name=host,
        server_port=port,
        inbrowser=open_browser,
        ssr_mode=False,
        theme=theme,
        head=head,
        css=css,
        footer_links=[],
        share=False,
        app_kwargs=guarded | ({"routes": list(routes), "docs_url": "/docs"} if routes else {}),
    )
