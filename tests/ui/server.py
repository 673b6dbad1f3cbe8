"""Serve the tab for a browser test: alone on a current gradio, or inside a page like a WebUI's on an older one.

Run as a script by the interpreter under test: `python tests/ui/server.py PORT FOLDER fake|toy`.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

import gradio as gr  # noqa: E402
from fake_app import FakeApp  # noqa: E402

from lib_ti.app import App  # noqa: E402
from lib_ti.host import ModelInfo  # noqa: E402
from lib_ti.ui.tab import build_tab  # noqa: E402


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    app = FakeApp(folder) if sys.argv[3] == "fake" else toy_app(folder)
    defaults = {"embedding.name": "moth", "data.folder": "pictures", "optim.lr": "0.005:20, 1e-3", "optim.steps": 60}
    defaults |= {"preview.every": 10, "save.every": 20, "embedding.init": "a butterfly"}
    if int(gr.__version__.split(".")[0]) >= 6:
        from fastapi import FastAPI

        from lib_ti.ui.serve import serving

        with serving(app, FastAPI(), lambda page: page, port=port, defaults=defaults):
            threading.Event().wait()
    else:
        serve_like_a_webui(build_tab(app, defaults), port)


def toy_app(folder: Path) -> App:
    """Over a host with real vectors, whose model has the name that stands in `model.txt`."""
    from tests.toy_host import ToyHost

    class Switched(ToyHost):
        def model(self) -> ModelInfo:
            chosen = folder / "model.txt"
            if not chosen.is_file():
                return super().model()
            name = chosen.read_text()
            return replace(super().model(), name=name, short_hash=f"{crc32(name.encode()):010x}")

    return App(Switched(folder))


def serve_like_a_webui(tab: gr.Blocks, port: int) -> None:
    """A page of someone else's, with our tab among others; script and style are put into its HTML, as WebUIs do."""
    script = (ROOT / "javascript" / "ti_lab.js").read_text()
    style = (ROOT / "style.css").read_text()
    original = gr.routes.templates.TemplateResponse

    def with_ours(*args: Any, **kwargs: Any) -> Any:
        response = original(*args, **kwargs)
        response.body = response.body.replace(b"</head>", f"<script>{script}</script></head>".encode())
        response.body = response.body.replace(b"</body>", f"<style>{style}</style></body>".encode())
        response.init_headers()
        return response

    gr.routes.templates.TemplateResponse = with_ours
    with gr.Blocks(title="A WebUI") as page, gr.Tabs():
        with gr.Tab("TI Lab", elem_id="tab_ti_lab"):
            tab.render()
        with gr.Tab("txt2img"):
            gr.Textbox(label="Prompt")
    page.queue().launch(server_name="127.0.0.1", server_port=port, show_api=False)


if __name__ == "__main__":
    main()
