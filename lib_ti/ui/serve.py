"""The tab by itself in a browser, without a WebUI around it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lib_ti.app import App
from lib_ti.errors import TIError
from lib_ti.ui.tab import build_tab

_PLACES = (Path(__file__).parent / "page", Path(__file__).parents[2])
"""Of script and style: in an installed package, and in the repository, where a WebUI looks for them."""
PAGE = next(place for place in _PLACES if (place / "style.css").is_file())
PATIENCE = 15.0
"""Seconds in which the head of a request must be there."""


@contextmanager
def serving(
    app: App,
    server: Any,
    gate: Callable[[Any], Any],
    host: str = "127.0.0.1",
    port: int = 7861,
    defaults: Mapping[str, Any] | None = None,
) -> Iterator[None]:
    """Serve meanwhile, in a thread. The page goes into `server`, of FastAPI, and all requests go through `gate`, which is put
    around it: an ASGI server made of another. Raises TIError where the port is taken."""
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise TIError(f"Port {port} of {host} cannot be used: {error}", "Choose another with --port.") from error
    with listener:
        page = gate(put_page(server, build_tab(app, defaults)))
        # Ours is the only way in: `ws` none because nothing here speaks it.
        config = uvicorn.Config(
            page, http=_Punctual, ws="none", log_level="warning", server_header=False, timeout_graceful_shutdown=2
        )
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, name="page", daemon=True)
        thread.start()
        while not running.started and thread.is_alive():
            time.sleep(0.02)
        try:
            yield
        finally:
            running.should_exit = True
            thread.join(5)


def put_page(server: Any, tab: gr.Blocks) -> Any:
    """The server with the tab at its root, on gradio 6; with our script and style, which a WebUI loads by itself."""
    theme = gr.themes.Base(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        radius_size="md",
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
    )
    return gr.mount_gradio_app(
        server,
        tab,
        path="/",
        theme=theme,
        head=f"<script>{(PAGE / 'javascript' / 'ti_lab.js').read_text(encoding='utf-8')}</script>",
        css=(PAGE / "style.css").read_text(encoding="utf-8"),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
    )


class _Punctual(H11Protocol):
    """Hangs up on who connects and does not ask, or stops in the midst of a request's head; uvicorn would wait for ever. Of the
    body that is the gate's matter."""

    _late: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget()

    def _expect(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering:
            self._forget()
        elif self._late is None:
            self._late = self.loop.call_later(PATIENCE, self.transport.close)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
