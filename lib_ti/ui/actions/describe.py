"""What the buttons that describe pictures in the model's words do, without gradio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib_ti.config.describe import DescribeConfig
from lib_ti.config.options import build_config
from lib_ti.description_job import DescriptionJob
from lib_ti.errors import TIError
from lib_ti.ui.actions.train import Outcome, faults_of, refused


class DescribeActions:
    def __init__(self, job: DescriptionJob) -> None:
        self.job = job

    def start(self, folder: str, values: Mapping[str, Any]) -> Outcome:
        try:
            self.job.start(build_config(DescribeConfig, {**values, "pictures": folder}))
        except TIError as error:
            return refused(error, DescribeConfig)
        return Outcome(good=True)

    def stop(self) -> None:
        if self.job.jobs.current:
            self.job.jobs.current.control.stop()

    def ending(self) -> Outcome:
        """The faults of the newest search, once it is over."""
        job = self.job.jobs.current
        return Outcome(faults=faults_of(job.error) if job and not job.active else ())

    @property
    def found(self) -> bool:
        return bool(self.job.description and self.job.description.words)

    def for_merge(self) -> dict[str, Any]:
        """Merge's field with the words' vectors."""
        return {"expression": self.job.description.expression} if self.job.description else {}

    def for_start(self, vectors: Any) -> tuple[str, int]:
        """The words as an initialization text, and at least a vector for each."""
        text = self.job.description.text if self.job.description else ""
        return text, max(len(text.split()), int(vectors) if isinstance(vectors, (int, float)) else 1)
