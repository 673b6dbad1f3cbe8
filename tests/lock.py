"""Writes the files in `locks` anew, from pyproject.toml and the versions in constraints.txt: `python -m tests.lock`.

Needs the network and uv, which finds what each system and each tested Python needs (`pip install uv`, in any environment). Each
package comes with the hashes of its wheels, which pip compares when `install.py` installs them: neither an index nor anyone on
the way to it can hand out something else.
"""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "locks"
OLDEST_PYTHON = "3.11.5"  # a package of the developers' wants so much of 3.11
OF_TORCH = re.compile(r"(torch|torchvision|triton|nvidia-.*|cuda-.*)==")
"""What comes from torch's own index where one is named, without a hash: each of its indexes has builds of its own."""
HEADS = {
    "ui": "What `python install.py ui` installs but for torch.",
    "test": "What `python install.py test` installs besides ui.txt.",
    "torch": "Torch as PyPI has it, and what it alone needs. Not used where an index of torch's own is named or fits better.",
}


def resolve(*more: str) -> dict[str, str]:
    """The lines of every package, by its first one up to the version."""
    command = ["uv", "pip", "compile", "--no-config", "--universal", "--python-version", OLDEST_PYTHON]
    command += ["--generate-hashes", "--only-binary", ":all:", "--no-header", "--no-annotate", "--quiet"]
    # What builds the project, and links it into the environment, is installed as well: pip would fetch it past all hashes.
    command += ["--constraint", "constraints.txt", *more, "pyproject.toml", "-"]
    found = subprocess.run(
        command, input="hatchling\neditables\n", cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    blocks = re.findall(r"^[^\s-].*\n(?:    .*\n)+", found, re.MULTILINE)
    return {re.split(r"[ ;\\]", block)[0]: block for block in blocks if "== 'emscripten'" not in block}


def _where(block: str) -> str:
    """The package, its version, and the systems that it is for."""
    return block.partition("\n")[0]


def write() -> None:
    ui, everything = resolve(), resolve("--extra", "test")
    parts = {
        "ui": {name: block for name, block in ui.items() if not OF_TORCH.match(name)},
        # Also what the page needs on one system and the developers' tools on all: its first line says where.
        "test": {name: block for name, block in everything.items() if _where(block) != _where(ui.get(name, ""))},
        "torch": {name: block for name, block in ui.items() if OF_TORCH.match(name)},
    }
    LOCKS.mkdir(exist_ok=True)
    for part, blocks in parts.items():
        text = f"# {HEADS[part]}\n# Made by `python -m tests.lock`.\n" + "".join(blocks.values())
        (LOCKS / f"{part}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
