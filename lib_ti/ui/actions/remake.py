"""What the buttons that remake files for the loaded model do, without gradio."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib_ti.app import App
from lib_ti.config.embeddings import RemakeConfig
from lib_ti.config.tree import build_config
from lib_ti.errors import TIError
from lib_ti.ui import wording
from lib_ti.ui.actions.train import Outcome, refused
from lib_ti.ui.html.notices import results
from lib_ti.ui.html.remake import remake_faults


class RemakeActions:
    def __init__(self, app: App) -> None:
        self.app = app

    def one(self, file: str, values: Mapping[str, Any]) -> tuple[Outcome, Path | None]:
        """`file` as Inspect names it; and where its new form lies."""
        try:
            (done,) = self.app.remake([self.app.embeddings_folder() / file], build_config(RemakeConfig, values))
        except TIError as error:
            return refused(error, RemakeConfig), None
        if done.made is None:
            return Outcome(remake_faults([done])), None
        return Outcome(results([done.made], wording.MERGED_NEXT), good=True), done.made.path

    def start(self, typed: str, values: Mapping[str, Any]) -> Outcome:
        """All that the filter `typed` lets through and that are not of the loaded model, in a job of its own."""
        try:
            self.app.library_job.start(build_config(RemakeConfig, values), typed)
        except TIError as error:
            return refused(error, RemakeConfig)
        return Outcome(good=True)

    def stop(self) -> None:
        if self.app.library_job.jobs.current:
            self.app.library_job.jobs.current.control.stop()
