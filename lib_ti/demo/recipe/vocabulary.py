"""CLIP's vocabulary, for captions whose every word is one token.

The real vocabulary lets any CLIP tokenizer serve the demo models; captions of whole words need no merging to be read.
"""

import gzip
import importlib.util
import re
from functools import cache
from pathlib import Path

SIZE = 49408
BOS, EOS = 49406, 49407
LENGTH = 77
_MERGES = SIZE - 512 - 2


@cache
def _merges() -> list[str]:
    """The file lies in open_clip's folder; importing that package would ask for torchvision."""
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("CLIP's vocabulary comes with the package open_clip_torch, which is not installed")
    text = gzip.decompress((Path(spec.origin).parent / "bpe_simple_vocab_16e6.txt.gz").read_bytes()).decode()
    return text.split("\n")[1 : 1 + _MERGES]


@cache
def _word_ids() -> dict[str, int]:
    """Ids below 512 are single bytes, then single bytes that end a word, printable ASCII first; then one id a merge."""
    ids = {chr(code) + "</w>": 256 + code - ord("!") for code in range(ord("!"), ord("~") + 1)}
    return ids | {"".join(merge.split()): 512 + i for i, merge in enumerate(_merges())}


def word_ids(text: str) -> list[int]:
    """The ids of a text's words and punctuation marks; KeyError for a word that is not one token."""
    return [_word_ids()[part + "</w>"] for part in re.findall(r"[a-z]+|[^\sa-z]", text.lower())]


def prompt_ids(text: str, pad: int = EOS) -> list[int]:
    """[77] ids: start, words, end, padding (SDXL's second encoder pads with 0, all others with the end token)."""
    ids = [BOS, *word_ids(text)[: LENGTH - 2], EOS]
    return ids + [pad] * (LENGTH - len(ids))
