"""How near the words that a demo model finds come to the true ones.

    python -m tests.benchmarks.described --model demo

Things of which the models have seen every part but never the whole, or seldom: 8 pictures of each are described. **Gap closed**:
how far the loss on a fixed batch of other renderings went from that of "a photo of a shape" to that of the true words, with the
first word found, the first two, and all. Of the demo models' 49,408 rows 79 have been trained, the others are random: so once the
whole table may be chosen from, and once the words of the models' own captions alone.
"""

import argparse
import os
import random
import statistics
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is read: a model this small gains nothing from threads

import torch
from PIL import Image

from lib_ti.adapters.detect import open_standalone
from lib_ti.app import App
from lib_ti.config.describe import DescribeConfig
from lib_ti.demo.recipe.captions import vocabulary
from lib_ti.demo.world import HELD_OUT, Thing, draw_many
from lib_ti.host import Host, SessionRequest
from lib_ti.training.description import Description
from lib_ti.training.evaluation import FixedBatch, gap_closed

THINGS = (*HELD_OUT, Thing("dotted", "green", "square"), Thing("striped", "turquoise", "heart"))
AT_ONCE = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo")
    args = parser.parse_args()
    torch.set_num_threads(1)
    words = " ".join(sorted(word for word in vocabulary() if word.isalpha()))
    for title, among in (("the whole vocabulary", ""), ("the words of the captions", words)):
        print(f"\nAmong {title}")
        gaps = [tell(args.model, thing, among) for thing in THINGS]
        for count in range(3):
            reached = sorted(row[count] for row in gaps)
            print(f"  {count + 1} words: min {reached[0]:.2f}, median {statistics.median(reached):.2f}", flush=True)


def tell(model: str, thing: Thing, among: str) -> list[float]:
    """Gap closed with one, two and three words; where fewer were found, those."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, picture in enumerate(draw_many([thing] * 8, random.Random(77))):
            Image.fromarray(picture).save(folder / f"{number}.png")
        app = App(open_standalone(model, "cpu", "fp32", folder / "out", folder / "logs"))
        found = app.describe(DescribeConfig(str(folder), among=among, at_once=AT_ONCE))
    gaps = reached(app.host, thing, found)
    words = ", ".join(word.text for word in found.words) or "-"
    print(f"  {thing.phrase:24} {words:36} {' '.join(f'{gap:.2f}' for gap in gaps)}  {found.images:g}", flush=True)
    return (gaps + [gaps[-1] if gaps else 0.0] * 3)[:3]


def reached(host: Host, thing: Thing, found: Description) -> list[float]:
    pictures = [
        torch.from_numpy(one).permute(2, 0, 1) / 127.5 - 1 for one in draw_many([thing] * 8, random.Random(1234))
    ]
    gaps = []
    for count in range(1, len(found.words) + 1):
        ids = [word.token for word in found.words[:count]]
        rows = {one.name: host.token_vectors(ids, one.name) for one in host.model().encoders}
        with host.training_session(SessionRequest("zork", count)) as session:
            batch = FixedBatch(session, pictures)
            losses = [batch.loss(f"a photo of a {word}", {"zork": rows}) for word in ("shape", "zork", thing.phrase)]
        gaps.append(gap_closed(*losses))
    return gaps


if __name__ == "__main__":
    main()
