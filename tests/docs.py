"""Writes the tables of README and docs from the code: `python -m tests.docs`. A test holds them true."""

import argparse
import re
from pathlib import Path
from typing import cast

from fastapi.routing import APIRoute

from lib_ti.adapters.webui.settings import LASTING, OWN, TRAINING
from lib_ti.api.refusal import NOT_JSON, WRONG
from lib_ti.api.routes import PREFIX, build_router
from lib_ti.api.security import Access
from lib_ti.app import App
from lib_ti.cli.main import build_parser
from lib_ti.cli.train import FLAGS
from lib_ti.config.options import walk_options
from lib_ti.config.train import TrainConfig
from lib_ti.host import Host

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = (README, ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md")))
BLOCK = re.compile(r"(<!-- table: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str) -> str:
    """A page with every `<!-- table: NAME -->` … `<!-- end -->` made anew."""
    tables = {
        "settings": settings_table,
        "requests": requests_table,
        "webui settings": webui_settings_table,
        **{name: lambda name=name: flags_table(name) for name in commands()},
    }
    return BLOCK.sub(lambda block: f"{block[1]}\n{tables[block[2]]()}\n\n{block[3]}", text)


def commands() -> dict[str, argparse.ArgumentParser]:
    actions = build_parser()._actions
    choices = next(action.choices for action in actions if isinstance(action, argparse._SubParsersAction))
    return {parser.prog.rpartition(" ")[2]: parser for parser in choices.values()}  # once, by its first name


def flags_table(command: str) -> str:
    rows = []
    for action in commands()[command]._actions:
        if not isinstance(action, argparse._HelpAction):
            names = ", ".join(action.option_strings) or str(action.metavar)
            value = f" {action.metavar or action.dest.upper()}" if action.option_strings and action.nargs != 0 else ""
            rows.append((f"`{names}{value}`", (action.help or "").replace("%%", "%")))
    return _table(("flag", "what"), rows)


def settings_table() -> str:
    flags = {path: flag for flag, path in FLAGS.items()}
    rows = [
        (f"`{path}`", f"`{flags[path]}`" if path in flags else "", f"`{default}`" if default != "" else "", about.help)
        for path, _, default, about in walk_options(TrainConfig)
    ]
    return _table(("setting", "flag", "default", "what"), rows)


def requests_table() -> str:
    """Of the web API, by what its own description says."""
    rows = []
    for route in build_router(App(cast("Host", None)), Access()).routes:
        assert isinstance(route, APIRoute)
        (method,) = route.methods
        statuses = sorted({route.status_code or 200, *(int(status) for status in route.responses)} - {WRONG, NOT_JSON})
        asked = [f"`{parameter.name}`" for parameter in route.dependant.query_params]
        what = route.description + (f" ({', '.join(asked)})" if asked else "")
        path = route.path.removeprefix(f"{PREFIX}/")
        rows.append((f"`{method} {path}`", what, ", ".join(map(str, statuses))))
    return _table(("request", "what", "status"), rows)


def webui_settings_table() -> str:
    """Our section of a WebUI's settings, and the settings of its own that count here."""
    known = {path: about for path, _, _, about in walk_options(TrainConfig)}
    rows = [(about.label, about.help) for about in OWN.values()]
    rows += [(known[path].label, known[path].help) for path in LASTING]
    rows += [(f"Training: {known[path].label}", known[path].help) for path in TRAINING.values()]
    return _table(("setting", "what"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    """As both the repository's site and mkdocs show it: `<lora:…>` would be a link or a tag, and a | the end of the cell."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(_code(part) if part.startswith("`") else part.replace("<", "&lt;") for part in parts).replace(
        "|", "&#124;"
    )


def _code(part: str) -> str:
    return f"<code>{part.strip('`')}</code>" if "|" in part else part


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")
