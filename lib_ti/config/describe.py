"""The settings of describing pictures in the model's own words."""

from dataclasses import dataclass

from lib_ti.config.options import LARGEST_SEED, option
from lib_ti.errors import Fault

NAME = "[name]"


@dataclass(frozen=True)
class DescribeConfig:
    """Which pictures, how many words, and how long the search for each may take."""

    pictures: str = option(
        "",
        "Folder of pictures",
        "Read as training reads it, at the model's own size; nothing in it is changed.",
        required=True,
    )
    words: int = option(
        3, "Words", "At most so many; fewer where one more does not lower the loss further.", minimum=1, maximum=20
    )
    whole: bool = option(
        False, "Whole words only", "Only tokens that are a whole word of letters, which can be typed anywhere."
    )
    among: str = option(
        "", "Choose among", "Only the tokens of this text, such as colours or artists; empty is the whole vocabulary."
    )
    prompt: str = option(
        "a photo of a [name]", "Prompt", "The words stand in the place of [name]; may hold [filewords], the captions."
    )
    start: str = option(
        "thing", "Neutral word", "Stands in the place of a word that is still looked for.", required=True
    )
    candidates: int = option(
        32,
        "Candidates",
        "Tokens a word that are tried: those by which the gradient promises most.",
        minimum=2,
        maximum=1000,
    )
    samples: int = option(
        32,
        "Fixed samples",
        "Pictures with noise and timestep, by which tokens are compared; fewer are quicker and err more.",
        minimum=4,
        maximum=1000,
    )
    at_once: int = option(
        1, "Pictures at once", "Go through the UNet together; changes memory and speed, not the result.", minimum=1
    )
    clip_skip: int = option(1, "Clip skip", "1 is the text encoder's last layer.", minimum=1, maximum=12)
    checkpointing: bool = option(False, "Gradient checkpointing", "Less memory, a little slower.")
    seed: int = option(
        0, "Seed", "Of the noise, and of the choice among many pictures.", minimum=0, maximum=LARGEST_SEED
    )

    def check(self) -> list[Fault]:
        """Faults that no single field shows."""
        if NAME not in self.prompt:
            return [Fault("prompt", f"has no {NAME}", f"write {NAME} where the words are to stand")]
        return []
