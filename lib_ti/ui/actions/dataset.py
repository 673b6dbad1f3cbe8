"""What the buttons of the Data set panel do, without gradio."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lib_ti.config.dataset import DatasetConfig
from lib_ti.config.options import build_config
from lib_ti.config.train import DataPart, TrainConfig
from lib_ti.errors import Fault, InvalidConfig, TIError
from lib_ti.picture_folders import PictureFolders
from lib_ti.ui import wording
from lib_ti.ui.actions.train import Outcome, faults_of, refused
from lib_ti.ui.html import album


@dataclass(frozen=True)
class Edits:
    """What the script reports of the album on the page: folder and page; with the number of a `save`, the captions typed but not
    saved, by picture."""

    folder: str = ""
    page: int = 0
    captions: Mapping[str, str] | None = None
    save: int = 0


class DatasetActions:
    def __init__(self, pictures: PictureFolders) -> None:
        self.pictures = pictures

    def prepare(self, values: Mapping[str, Any]) -> Outcome:
        try:
            self.pictures.start_preparing(build_config(DatasetConfig, values))
        except TIError as error:
            return refused(error, DatasetConfig)
        return Outcome(good=True)

    def stop(self) -> None:
        if self.pictures.jobs.current:
            self.pictures.jobs.current.control.stop()

    def ending(self) -> Outcome:
        """The faults of the newest preparation, once it is over."""
        job = self.pictures.jobs.current
        return Outcome(faults=faults_of(job.error) if job and not job.active else ())

    def show(self, folder: str, page: int = 0, note: str = "", saved: int = 0) -> Outcome:
        if not folder.strip():
            return Outcome(refused(InvalidConfig([Fault(wording.FOLDER, "is missing")]), DatasetConfig).html)
        try:
            return Outcome(album.album(self.pictures.album(folder, page), note, saved), good=True)
        except TIError as error:
            return Outcome(refused(error, TrainConfig).html)

    def turn(self, report: str, by: int) -> Outcome:
        edits = read_edits(report)
        return self.show(edits.folder, edits.page + by)

    def save(self, report: str) -> Outcome:
        edits = read_edits(report)
        try:
            count = self.pictures.save_captions(edits.folder, edits.captions or {})
        except TIError as error:
            return Outcome(refused(error, TrainConfig).html)
        note = wording.CAPTIONS_SAVED.get(count) or wording.MANY_CAPTIONS_SAVED.format(count=count)
        return self.show(edits.folder, edits.page, note, saved=edits.save)

    def validate(self, folder: str, train: Mapping[str, Any]) -> Outcome:
        """What training on `folder` by the settings of Train would refuse or warn of."""
        part = {path.removeprefix("data."): value for path, value in train.items() if path.startswith("data.")}
        try:
            data = build_config(DataPart, {**part, "folder": folder, "more": ""})
        except InvalidConfig as error:
            return Outcome(refused(error, DataPart).html)
        try:
            dataset, shapes = self.pictures.validate(data, str(train.get("embedding.name") or "").strip() or "name")
        except TIError as error:
            return Outcome(refused(error, TrainConfig).html)
        return Outcome(album.validation(dataset, shapes), good=True)


def read_edits(report: str) -> Edits:
    """Of the script's JSON; empty where no album is on the page."""
    try:
        values = json.loads(report or "{}")
        captions = {str(name): str(words) for name, words in values.get("captions", {}).items()}
        return Edits(str(values.get("folder", "")), int(values.get("page", 0)), captions, int(values.get("save", 0)))
    except (ValueError, TypeError, AttributeError):
        return Edits()
