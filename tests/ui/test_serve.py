"""Whoever ends the program while it trains keeps what was trained; whoever meets a taken port is told so."""

import socket
from typing import Any

import pytest
from fake_app import FakeApp

from lib_ti.errors import TIError
from lib_ti.ui import compat
from lib_ti.ui.actions.train import Actions
from lib_ti.ui.serve import serve

OWN_GRADIO = pytest.mark.skipif(compat.MAJOR < 6, reason="the page by itself is made for a current gradio")


def test_ctrl_c_stops_and_saves_the_run(app: FakeApp, values: dict[str, object], monkeypatch: pytest.MonkeyPatch):
    app.pace = 0.02

    def until_ctrl_c(*_: Any) -> None:
        assert Actions(app).train({**values, "optim.steps": 500}, resume=False).good

    monkeypatch.setattr("lib_ti.ui.serve.launch", until_ctrl_c)
    serve(app)
    assert app.jobs.snapshot.state == "stopped"
    assert (app.folder / "moth.safetensors").read_bytes() == b"trained"


@OWN_GRADIO
def test_a_taken_port_is_named(app: FakeApp):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TIError, match=f"Port {port} of 127.0.0.1"):
            serve(app, port=port, open_browser=False)
