"""A labelled sheet of prompts and what the models draw of them."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from lib_ti.demo.recipe.diffusion import sample
from lib_ti.demo.recipe.networks import Networks

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
