"""Pictures described in the model's own words, in a job that can be watched and stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lib_ti.config.describe import DescribeConfig
from lib_ti.control import Control
from lib_ti.events import Emit, Finished
from lib_ti.jobs.job import Job, Jobs

if TYPE_CHECKING:
    from lib_ti.training.description import Description

    Describe = Callable[[DescribeConfig, Emit, Control], Description]


class DescriptionJob:
    """`describe` is the App's. `jobs` are apart from `trainings`, so that each keeps what it has to show; but both need the
    model for themselves, and so neither starts while the other runs."""

    def __init__(self, trainings: Jobs, describe: Describe) -> None:
        self._trainings, self._describe = trainings, describe
        self.jobs = Jobs()
        self.description: Description | None = None
        """Of the newest job, once it is over; also of one that was stopped with some words found."""

    def start(self, config: DescribeConfig) -> Job:
        """Raises Busy while another one runs, or a training."""
        self._trainings.check_idle()
        return self.jobs.start("Describe pictures", lambda emit, control: self._work(config, emit, control))

    def _work(self, config: DescribeConfig, emit: Emit, control: Control) -> None:
        self.description = None
        found = self.description = self._describe(config, emit, control)
        emit(Finished(len(found.words), None, stopped=found.stopped))
