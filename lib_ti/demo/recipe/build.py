"""Makes the demo models and pictures from nothing: `python -m lib_ti.demo.recipe.build`.

Counted in steps and seeded, so that the same machine makes the same files. On two CPU cores about twenty minutes a
model, on a GPU a few.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont

from lib_ti.demo.concept import PICTURES, draw_pictures
from lib_ti.demo.recipe.diffusion import sample
from lib_ti.demo.recipe.export import Family, save_checkpoint
from lib_ti.demo.recipe.gates import JUDGED, held_out_obeyed, judge_inversion, prompts_obeyed
from lib_ti.demo.recipe.networks import Config, Networks, build_networks, demo_config, demo_xl_config, load_networks
from lib_ti.demo.recipe.training import Stage, initialise, train
from lib_ti.demo.recipe.vae import train_decoder, write_vae

PROMPTS = (
    "a photo of a red circle",
    "a dotted yellow square",
    "a picture of a striped turquoise heart",
    "a blue star",
    "a dotted pink cross",
    "an orange triangle with stripes",
    "a drawing of a green ring",
    "a photo of a plain purple diamond",
)
SIDE, GAP, LABEL, MARGIN = 128, 8, 34, 96


def _two_lines(text: str) -> str:
    """Broken at the space nearest to the middle."""
    spaces = [i for i, c in enumerate(text) if c == " "]
    at = min(spaces, key=lambda i: abs(i - len(text) / 2))
    return f"{text[:at]}\n{text[at + 1 :]}"


def draw_gallery(
    models: Sequence[tuple[str, Networks]], seed: int = 3, prompts: Sequence[str] = PROMPTS
) -> Image.Image:
    """One row for each named model, one column for each prompt."""
    size = (MARGIN + len(prompts) * (SIDE + GAP), LABEL + len(models) * (SIDE + GAP))
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for column, prompt in enumerate(prompts):
        place = (MARGIN + column * (SIDE + GAP) + SIDE // 2, 2)
        pen.multiline_text(place, _two_lines(prompt), fill="black", font=font, anchor="ma", align="center")
    for row, (name, networks) in enumerate(models):
        top = LABEL + row * (SIDE + GAP)
        pen.text((MARGIN - GAP, top + SIDE // 2), name, fill="black", font=font, anchor="rm")
        for column, picture in enumerate(sample(networks, list(prompts), seed)):
            enlarged = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(enlarged, (MARGIN + column * (SIDE + GAP), top))
    return sheet


HERE = Path(__file__).parent.parent
GALLERY = HERE.parents[1] / "docs" / "pictures" / "demo-models.png"


@dataclass(frozen=True)
class Recipe:
    name: str
    title: str
    family: Family
    config: Config
    words: Stage
    sums: Stage
    decoder_steps: int = 2000


DEMO = Recipe("demo", "TI Lab demo", "sd1", demo_config(), words=Stage(2500, 2e-3, 0), sums=Stage(1000, 1e-3, 0.4))
DEMO_XL = Recipe(
    "demo-xl", "TI Lab demo XL", "sdxl", demo_xl_config(), words=Stage(2200, 2e-3, 0), sums=Stage(500, 7e-4, 0.3)
)
RECIPES = (DEMO, DEMO_XL)


def start(recipe: Recipe, seed: int, device: str) -> Networks:
    """Networks whose encoder of pictures is ready; the three trainable parts are not."""
    networks = build_networks(recipe.family, recipe.config, seed)
    write_vae(networks.vae, seed)
    return networks.to(device)


def build(recipe: Recipe, seed: int, device: str) -> Networks:
    """The decoder and the UNet both need the written encoder only. The UNet learns words first, then sums of words."""
    networks = start(recipe, seed, device)
    train_decoder(networks.vae, recipe.decoder_steps, seed, device)
    initialise(networks, seed)
    train(networks, recipe.words, seed)
    torch.manual_seed(seed + 1)
    train(networks, recipe.sums, seed + 1)
    return networks.to("cpu")


def save(recipe: Recipe, networks: Networks, folder: Path) -> Path:
    path = folder / f"{recipe.name}.safetensors"
    save_checkpoint(path, networks.checkpoint(), recipe.config, recipe.title)
    return path


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description="Train the demo models and draw the demo pictures.")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--only", choices=[recipe.name for recipe in RECIPES], help="make one of the models")
    parser.add_argument("--check", action="store_true", help="measure the files that are there instead of making them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the files made (default: this package's)")
    return parser.parse_args()


def make(recipes: list[Recipe], seed: int, device: str, folder: Path) -> None:
    for recipe in recipes:
        print(save(recipe, build(recipe, seed, device), folder))
    pictures = folder / PICTURES.name
    pictures.mkdir(exist_ok=True)
    for number, picture in enumerate(draw_pictures(), start=1):
        Image.fromarray(picture).save(pictures / f"{number:02}.png", optimize=True)


def check(recipes: list[Recipe], folder: Path) -> None:
    """Prints the gates' figures and draws the gallery that the docs show."""
    models = [(recipe.name, load_networks(folder / f"{recipe.name}.safetensors")) for recipe in recipes]
    draw_gallery(models).save(GALLERY, optimize=True)
    for name, networks in models:
        print(f"{name}: prompts obeyed {prompts_obeyed(networks)} of 160, held out {held_out_obeyed(networks)} of 96")
        for thing in JUDGED:
            for seed in range(3):
                print(f"  {judge_inversion(networks, thing, seed)}", flush=True)


def main() -> None:
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.use_deterministic_algorithms(True, warn_only=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    recipes = [recipe for recipe in RECIPES if arguments.only in (None, recipe.name)]
    if arguments.check:
        check(recipes, arguments.out)
    else:
        make(recipes, arguments.seed, arguments.device, arguments.out)


if __name__ == "__main__":
    main()
