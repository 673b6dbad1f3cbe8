"""CLIP's tokenizer, built from the vocabulary that open_clip's package ships; nothing is downloaded."""

import gzip
import importlib.util
from functools import cache
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from lib_ti.errors import HostError

START, END = 49406, 49407
_MERGES = 49408 - 512 - 2
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"

_QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"'})  # CLIP learned from text with straight quotes


def tokenize(text: str) -> list[int]:
    """Ids of literal text, without start, end or padding."""
    ids: list[int] = _tokenizer().encode(text.translate(_QUOTES), add_special_tokens=False).ids
    return ids


def token_text(token_id: int) -> str:
    """The piece as the vocabulary writes it, `</w>` ending a word; what cannot be shown is `\\xNN`."""
    piece: str | None = _tokenizer().id_to_token(token_id)
    if piece is None:
        raise HostError(f"There is no token {token_id}.", "Token ids go from 0 to 49407.")
    if token_id in (START, END):
        return piece
    letters = {letter: byte for byte, letter in _byte_letters().items()}
    raw = bytes(letters[letter] for letter in piece.removesuffix("</w>"))
    text = raw.decode("utf-8", errors="backslashreplace")
    shown = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
    return shown + ("</w>" if piece.endswith("</w>") else "")


@cache
def _byte_letters() -> dict[int, str]:
    """A printable letter for each byte: itself where it is one, else the next free one from U+0100 on (as GPT-2)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


def _merges() -> list[tuple[str, str]]:
    """Importing open_clip would need torchvision; its folder alone is enough."""
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise HostError("CLIP's vocabulary is missing.", "It comes with a package: pip install open_clip_torch")
    text = gzip.decompress((Path(spec.origin).parent / "bpe_simple_vocab_16e6.txt.gz").read_bytes()).decode()
    pairs = (line.split() for line in text.split("\n")[1 : 1 + _MERGES])
    return [(first, second) for first, second in pairs]


@cache
def _tokenizer() -> Tokenizer:
    letters, merges = list(_byte_letters().values()), _merges()
    pieces = [*letters, *(letter + "</w>" for letter in letters), *(first + second for first, second in merges)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges, end_of_word_suffix="</w>"))
    tokenizer.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
