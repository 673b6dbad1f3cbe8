"""The settings of what the command line does alone: pictures from a prompt, and the page in a browser."""

from dataclasses import dataclass

from lib_ti.config.options import LARGEST_SEED, option


@dataclass(frozen=True)
class GenerateConfig:
    """A number of pictures from one prompt. Sizes are in pixels."""

    prompt: str = option("", "Prompt", "What the picture should show.")
    negative: str = option("", "Negative prompt", "What the picture should not show.", metavar="TEXT")
    steps: int = option(20, "Sampler steps", "Sampler steps.", minimum=1, maximum=1000)
    cfg: float = option(7.0, "CFG scale", "CFG scale: how closely the picture follows its prompt.", minimum=0.0)
    sampler: str = option("DPM++ 2M", "Sampler", "Its name, as WebUIs write it.", metavar="NAME")
    seed: int = option(-1, "Seed", "Of the first picture; -1 draws one.", minimum=-1, maximum=LARGEST_SEED)
    width: int = option(0, "Width", "In pixels; 0 is the model's own size.", minimum=0, maximum=4096)
    height: int = option(0, "Height", "In pixels; 0 is the model's own size.", minimum=0, maximum=4096)
    clip_skip: int = option(1, "Clip skip", "1 is the encoder's last layer.", minimum=1, maximum=12)
    count: int = option(1, "Pictures", "Pictures; each has the next seed.", minimum=1, maximum=100_000)


@dataclass(frozen=True)
class ServeConfig:
    """Where the page is served, and to whom."""

    port: int = option(7861, "Port", "Port of the page.", minimum=1, maximum=65535)
    listen: bool = option(
        False,
        "Listen",
        "Let other machines of your network in, with a password or the token that is then shown: they can read and write files "
        "as you can.",
    )
    auth: str = option(
        "",
        "Password",
        "Ask for this user and password. Other users of this machine may see it in the list of processes: better a file, or the "
        "variable TI_LAB_AUTH.",
        metavar="USER:PASSWORD",
    )
    auth_file: str = option(
        "",
        "Password file",
        "Ask for a user and password of this file, which has USER:PASSWORD on each line.",
        metavar="FILE",
    )
    no_browser: bool = option(False, "No browser", "Do not open a browser.")
