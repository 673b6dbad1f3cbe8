"""The settings of preparing a data set. Labels are those of A1111's Extras tab, where it has the field."""

from dataclasses import dataclass, field

from lib_ti.config.options import option
from lib_ti.errors import Fault

EXISTING = ("keep", "ignore", "prepend", "append")
OBJECTIVES = ("area", "error")
FILE_NAMES = "file names"


@dataclass(frozen=True)
class FoldersPart:
    """Where the pictures are, and where what is made of them goes."""

    source: str = option(
        "", "Input directory", "Folder of the pictures as they are; nothing in it is changed.", required=True
    )
    destination: str = option(
        "",
        "Output directory",
        "Where the prepared pictures go. Empty: pictures stay as they are, captions go beside them.",
    )
    overwrite: bool = option(
        False, "Overwrite", "Replace files of the same name in an output directory that is not empty."
    )


@dataclass(frozen=True)
class SizePart:
    """What splitting and the focal point crop cut to."""

    width: int = option(
        0, "Width", "Of crops and pieces in pixels; 0 is the model's own size, or 512.", minimum=0, maximum=4096
    )
    height: int = option(
        0, "Height", "Of crops and pieces in pixels; 0 is the model's own size, or 512.", minimum=0, maximum=4096
    )


@dataclass(frozen=True)
class SplitPart:
    """Long pictures as several pieces, which overlap."""

    on: bool = option(
        False, "Split oversized images", "Pictures much longer than the wanted shape become several pieces."
    )
    threshold: float = option(
        0.5,
        "Threshold",
        "Split where the picture is at most this share as wide (or high) as the shape asks for.",
        minimum=0.0,
        maximum=1.0,
    )
    overlap: float = option(
        0.2, "Overlap ratio", "Share of a piece that the next one shows too.", minimum=0.0, maximum=0.9
    )


@dataclass(frozen=True)
class FocalPart:
    """A crop around what draws the eye; the weights say what does."""

    on: bool = option(
        False, "Auto focal point crop", "Crop to width and height around what draws the eye, not the middle."
    )
    face_weight: float = option(
        0.9,
        "Focal point face weight",
        "Pull of faces, where the WebUI can find them.",
        minimum=0.0,
        maximum=1.0,
    )
    entropy_weight: float = option(
        0.15, "Focal point entropy weight", "Pull of the part with the most variety.", minimum=0.0, maximum=1.0
    )
    edges_weight: float = option(
        0.5, "Focal point edges weight", "Pull of corners and sharp detail.", minimum=0.0, maximum=1.0
    )
    debug: bool = option(
        False, "Create debug image", "Pictures that show crop and points go to a folder debug in the output directory."
    )


@dataclass(frozen=True)
class SizedPart:
    """A crop to the size that suits each picture, within limits of sides and area in pixels."""

    on: bool = option(
        False, "Auto-sized crop", "Crop the middle to the size of a grid of 64 pixels that suits each picture."
    )
    min_side: int = option(384, "Dimension lower bound", "Of each side in pixels.", minimum=64, maximum=2048)
    max_side: int = option(768, "Dimension upper bound", "Of each side in pixels.", minimum=64, maximum=2048)
    min_area: int = option(4096, "Area lower bound", "Width times height.", minimum=4096, maximum=4194304)
    max_area: int = option(409600, "Area upper bound", "Width times height.", minimum=4096, maximum=4194304)
    objective: str = option(
        "area",
        "Resizing objective",
        "Among the sizes within the threshold: area: Maximize area; error: Minimize error.",
        choices=OBJECTIVES,
    )
    threshold: float = option(
        0.1, "Error threshold", "Most that a shape may differ from the picture's.", minimum=0.0, maximum=1.0
    )


@dataclass(frozen=True)
class FlipPart:
    """Copies of each picture besides it."""

    horizontal: bool = option(False, "Horizontal", "A mirrored copy of each picture: left for right.")
    vertical: bool = option(False, "Vertical", "A copy of each picture upside down.")
    both: bool = option(False, "Both", "A copy of each picture turned by half.")


@dataclass(frozen=True)
class CaptionPart:
    """The words beside each picture, and what becomes of those that are there."""

    by: str = option(
        "",
        "Caption",
        "file names, or what the WebUI offers (Deepbooru, BLIP); several with commas; empty makes none.",
    )
    words: str = option("", "Words for all", "Stand first in the caption of every picture.")
    existing: str = option(
        "keep",
        "Action for existing captions",
        "keep: an existing one is used alone; ignore: the new one; prepend or append: the existing one before or after it.",
        choices=EXISTING,
    )


@dataclass(frozen=True)
class DatasetConfig:
    """All settings of making a folder of pictures into a data set, by part; only the folder must be given."""

    folders: FoldersPart = field(default_factory=FoldersPart)
    size: SizePart = field(default_factory=SizePart)
    split: SplitPart = field(default_factory=SplitPart)
    focal: FocalPart = field(default_factory=FocalPart)
    sized: SizedPart = field(default_factory=SizedPart)
    flip: FlipPart = field(default_factory=FlipPart)
    captions: CaptionPart = field(default_factory=CaptionPart)

    @property
    def changes_pictures(self) -> bool:
        return any((self.split.on, self.focal.on, self.sized.on, *self.flips))

    @property
    def flips(self) -> tuple[bool, bool, bool]:
        return self.flip.horizontal, self.flip.vertical, self.flip.both

    @property
    def captioners(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.captions.by.split(",") if name.strip())

    def check(self) -> list[Fault]:
        """Faults that no single field shows."""
        faults = []
        if self.sized.on and self.sized.min_side > self.sized.max_side:
            faults.append(Fault("sized.max_side", "is less than the lower bound"))
        if self.sized.on and self.sized.min_area > self.sized.max_area:
            faults.append(Fault("sized.max_area", "is less than the lower bound"))
        if not self.folders.destination.strip():
            if self.changes_pictures:
                faults.append(Fault("folders.destination", "is missing", "the originals stay as they are"))
            elif not (self.captioners or self.captions.words.strip()):
                faults.append(Fault("captions.by", "there is nothing to do", "choose crops, copies or captions"))
        if self.focal.on and not any((self.focal.face_weight, self.focal.entropy_weight, self.focal.edges_weight)):
            faults.append(Fault("focal.edges_weight", "all three weights are 0", "raise one of them"))
        return faults
