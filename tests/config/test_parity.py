"""A user of A1111's Train tab would lose: a field under the name it has there, or its default. Facts of A1111 1.10.1."""

from typing import Any

import pytest

from lib_ti.config.dataset import DatasetConfig
from lib_ti.config.embeddings import CreateConfig
from lib_ti.config.options import walk_options
from lib_ti.config.train import TrainConfig

CREATE = {
    "name": ("Name", ""),
    "init": ("Initialization text", "*"),
    "vectors": ("Number of vectors per token", 1),
    "overwrite": ("Overwrite Old Embedding", False),
}
OWN = object()
"""Ours has a default of its own; docs/compared.md says why."""
TRAIN = {
    "embedding.name": ("Embedding", ""),
    "optim.lr": ("Embedding Learning rate", "0.005"),
    "optim.clip": ("Gradient Clipping", "disabled"),
    "optim.clip_at": ("Gradient clip value", "0.1"),
    "optim.batch_size": ("Batch size", 1),
    "optim.accumulation": ("Gradient accumulation steps", 1),
    "data.folder": ("Dataset directory", ""),
    "save.log_folder": ("Log directory", OWN),
    "data.template": ("Prompt template", "style_filewords"),
    "data.width": ("Width", OWN),
    "data.height": ("Height", OWN),
    "optim.steps": ("Max steps", 100000),
    "preview.every": ("Save an image to log directory every N steps, 0 to disable", 500),
    "save.every": ("Save a copy of embedding to log directory every N steps, 0 to disable", 500),
    "data.alpha_weight": ("Use PNG alpha channel as loss weight", False),
    "save.in_previews": ("Save images with embedding in PNG chunks", True),
    "data.shuffle_tags": ("Shuffle tags by ',' when creating prompts", False),
    "data.tag_dropout": ("Drop out tags when creating prompts", 0),
    "data.latent_sampling": ("Choose latent sampling method", "once"),
    # its page of settings
    "save.optim": ("Saves Optimizer state as separate *.optim file", False),
    "data.word_regex": ("Filename word regex", ""),
    "data.join_words": ("Filename join string", " "),
    "save.csv_every": ("Save an csv containing the loss to log directory every N steps, 0 to disable", OWN),
    "save.tensorboard": ("Enable tensorboard logging", False),
}
DATASET = {
    "folders.source": ("Input directory", ""),
    "folders.destination": ("Output directory", ""),
    "split.on": ("Split oversized images", False),
    "split.threshold": ("Threshold", 0.5),
    "split.overlap": ("Overlap ratio", 0.2),
    "focal.on": ("Auto focal point crop", False),
    "focal.face_weight": ("Focal point face weight", 0.9),
    "focal.entropy_weight": ("Focal point entropy weight", 0.15),
    "focal.edges_weight": ("Focal point edges weight", 0.5),
    "focal.debug": ("Create debug image", False),
    "sized.on": ("Auto-sized crop", False),
    "sized.min_side": ("Dimension lower bound", 384),
    "sized.max_side": ("Dimension upper bound", 768),
    "sized.min_area": ("Area lower bound", 64 * 64),
    "sized.max_area": ("Area upper bound", 640 * 640),
    "sized.objective": ("Resizing objective", "area"),
    "sized.threshold": ("Error threshold", 0.1),
    "flip.horizontal": ("Horizontal", OWN),
    "flip.vertical": ("Vertical", False),
    "flip.both": ("Both", False),
    "captions.by": ("Caption", ""),
    "captions.existing": ("Action for existing captions", OWN),
}


@pytest.mark.parametrize(
    ("config", "path", "label", "default"),
    [
        (config, path, *about)
        for config, table in ((CreateConfig, CREATE), (TrainConfig, TRAIN), (DatasetConfig, DATASET))
        for path, about in table.items()
    ],
)
def test_the_field_is_there_by_its_name_and_default(config: type, path: str, label: str, default: Any) -> None:
    ours = {where: (about.label, given) for where, _, given, about in walk_options(config)}
    assert ours[path][0] == label
    assert default is OWN or ours[path][1] == default
