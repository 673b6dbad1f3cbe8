"""What tab and command line do with folders of pictures: prepare them, look at them, caption them, validate them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lib_ti.config.dataset import DatasetConfig
from lib_ti.config.train import DataPart
from lib_ti.control import Control
from lib_ti.errors import TIError
from lib_ti.events import Emit, Finished, Saved, Status, Warned
from lib_ti.host import Captioner, FaceFinder, Host, ModelInfo
from lib_ti.jobs.job import Job, Jobs

if TYPE_CHECKING:
    from PIL.Image import Image

    # `as` hands on the types of what is returned, for faces to name
    from lib_ti.dataset.album import Album as Album
    from lib_ti.dataset.album import Card as Card
    from lib_ti.dataset.dataset import Dataset as Dataset
    from lib_ti.dataset.prepare import Helpers, Report

SIDE = 512
"""In pixels, of what no model says its own for."""


class PictureFolders:
    """`host` is None where there is no WebUI to lend its captioners. `jobs` are apart from training: neither waits for the other."""

    def __init__(self, host: Host | None = None) -> None:
        self.host = host
        self.jobs = Jobs()

    def captioners(self) -> list[str]:
        return self.host.captioners() if isinstance(self.host, Captioner) else []

    def prepare(self, config: DatasetConfig, emit: Emit, control: Control) -> Path:
        """Prepare in this thread until done or stopped; the folder with the result.

        Raises InvalidConfig before anything is written.
        """
        from lib_ti.dataset.folder import typed_path
        from lib_ti.dataset.prepare import prepare_pictures

        model = self._model()
        native = model.native_size if model else SIDE

        def progress(report: Report, name: str) -> None:
            emit(Status(f"Picture {report.done + 1} of {report.total}: {name}", report.done / report.total))

        report = prepare_pictures(config, native, self._helpers(control), progress, lambda: control.stopping)
        for warning in report.warnings:
            emit(Warned(warning))
        folder = typed_path(config.folders.destination or config.folders.source)
        emit(Status(f"{report.done} of {report.total} done", report.done / report.total))
        emit(Saved(report.pictures, folder, "pictures"))
        emit(Saved(report.captions, folder, "captions"))
        emit(Finished(report.done, folder, stopped=report.done < report.total))
        return folder

    def start_preparing(self, config: DatasetConfig) -> Job:
        """`prepare` in a job of its own. Raises Busy while another one runs."""
        return self.jobs.start("Prepare pictures", lambda emit, control: self.prepare(config, emit, control))

    def album(self, folder: str, page: int = 0) -> Album:
        """Raises InvalidDataset."""
        from lib_ti.dataset.album import load_album
        from lib_ti.dataset.folder import typed_path

        return load_album(typed_path(folder), page)

    def save_captions(self, folder: str, captions: Mapping[str, str]) -> int:
        """By picture's name; how many changed. Raises InvalidDataset."""
        from lib_ti.dataset.album import save_captions
        from lib_ti.dataset.folder import typed_path

        return save_captions(typed_path(folder), captions)

    def validate(self, data: DataPart, name: str) -> tuple[Dataset, dict[tuple[int, int], int]]:
        """What training `name` on `data` would begin with, and its pictures by (width, height).

        Raises InvalidDataset with all that it would refuse.
        """
        from lib_ti.dataset.dataset import buckets
        from lib_ti.dataset.scan import scan_dataset

        folders = self.host.template_folders() if self.host else ()
        model = self._model()
        side, multiple = (model.native_size, model.pixel_multiple) if model else (SIDE, 8)
        dataset = scan_dataset(data, name, side, multiple, folders)
        return dataset, buckets(dataset)

    def _model(self) -> ModelInfo | None:
        try:
            return self.host.model() if self.host else None
        except TIError:  # none is loaded yet
            return None

    def _helpers(self, control: Control) -> Helpers:
        from lib_ti.dataset.prepare import Helpers

        host = self.host
        faces = host.find_faces if isinstance(host, FaceFinder) else None
        if not isinstance(host, Captioner):
            return Helpers(find_faces=faces)
        captioner = host

        def caption(image: Image, name: str) -> str:
            return captioner.caption(image, name, lambda: control.stopping)

        return Helpers(tuple(captioner.captioners()), caption, faces)
