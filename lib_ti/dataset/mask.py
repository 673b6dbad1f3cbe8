"""Which mask file belongs to which picture: OneTrainer's `NAME-masklabel.png` beside it, or one of its name in a folder of masks.

A mask weights the loss as an alpha channel does. The folder is kohya's `conditioning_data_dir`; it may have the subfolders of
the data set, such as `100_sks woman`, or hold all masks side by side.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from lib_ti.config.train import DataPart
from lib_ti.dataset.folder import MASK, PictureFile, is_image, list_pictures, mask_beside, typed_path

FIELD = "data.mask_folder"


def find_masks(files: Sequence[PictureFile], data: DataPart) -> tuple[list[Path | None], list[str]]:
    """The mask of each of `files`, unopened, or None; and the names of masks that belong to no picture.

    Raises InvalidDataset where the folder of masks cannot be used.
    """
    if not data.masks:
        return [None] * len(files), []
    beside = [mask_beside(file.path) for file in files]
    known = {path for path in beside if path}
    folders = dict.fromkeys(file.path.parent for file in files)
    lost = [
        path.name for folder in folders for path in sorted(folder.iterdir()) if _is_mask(path) and path not in known
    ]
    if data.mask_folder.strip():
        masks = list_pictures(typed_path(data.mask_folder), FIELD)
        by_name = {_bare(mask.name): mask.path for mask in masks}
        wanted = [next((name for name in (_bare(file.name), file.path.stem) if name in by_name), "") for file in files]
        lost += [mask.name for mask in masks if _bare(mask.name) not in wanted]
        beside = [by_name.get(name, path) for name, path in zip(wanted, beside, strict=True)]
    return beside, lost


def _is_mask(path: Path) -> bool:
    return path.stem.endswith(MASK) and is_image(path)


def _bare(name: str) -> str:
    """Without its ending."""
    return str(PurePosixPath(name).with_suffix(""))
