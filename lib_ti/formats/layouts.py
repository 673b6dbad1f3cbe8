"""Which of the layouts in the wild a file has, told by its keys and shapes alone. No torch, and no tensor is loaded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from lib_ti.embedding.fit import UNKNOWN_ENCODER
from lib_ti.embedding.limits import MAX_ROWS, MAX_WIDTH
from lib_ti.errors import InvalidEmbedding
from lib_ti.formats.stored import REAL, StoredTensor
from lib_ti.host import Family

_BY_WIDTH: dict[int, tuple[str, Family]] = {768: ("clip_l", "sd1"), 1024: ("clip_h", "sd2")}
_OUTPUT_KEYS = {"clip_l_out", "clip_g_out", "emp_params_out"}
_T5_KEYS = {"t5", "t5xxl", "t5_out", "t5xxl_out"}
_XTI_KEY = re.compile(r"(IN|OUT)\d\d|MID")
_LORA_KEY = re.compile(r"\.lora[_.]|_lora\.|\.alpha$|\.hada_w|\.lokr_w")
_BUNDLE = "bundle_emb."


@dataclass(frozen=True)
class Found:
    """`tensors` by encoder; those of one encoder are stacked. `values` are what else stands beside them (name, step, …)."""

    layout: str
    tensors: Mapping[str, tuple[StoredTensor, ...]]
    family: Family | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises InvalidEmbedding where these cannot be vectors, before a number of them is read."""
        for parts in self.tensors.values():
            for tensor in parts:
                rows_and_width(tensor)
                _check_type(tensor)
        if self.rows > MAX_ROWS:
            raise InvalidEmbedding(
                f"The file holds {self.rows} vectors for one word.", f"An embedding has 1 to {MAX_ROWS} of them."
            )

    @property
    def rows(self) -> int:
        return min(sum(rows_and_width(tensor)[0] for tensor in parts) for parts in self.tensors.values())

    @property
    def widths(self) -> dict[str, int]:
        return {encoder: rows_and_width(parts[0])[1] for encoder, parts in self.tensors.items()}


def find_layout(saved: Any) -> Found:
    """Raises InvalidEmbedding, which names the layouts that are known and cannot be used."""
    if not isinstance(saved, Mapping) or not all(isinstance(key, str) for key in saved):
        raise InvalidEmbedding("The file holds no tensors by name.", "It is not an embedding.")
    if "string_to_param" in saved:
        return _find_a1111(saved)
    tensors = {key: value for key, value in saved.items() if isinstance(value, StoredTensor)}
    _refuse_known(saved, tensors)
    if not tensors:
        raise InvalidEmbedding("The file holds no tensors.", "It is not an embedding.")
    ignored = [key for key in tensors if key in _OUTPUT_KEYS]
    notes = tuple(f"{key} (the text encoder's output) is ignored: it is not vectors of a prompt." for key in ignored)
    tensors = {key: value for key, value in tensors.items() if key not in ignored}
    if "clip_g" in tensors:
        return _find_pair(tensors, notes)
    match list(tensors):
        case ["emb_params"]:
            return _single("emb_params", tensors["emb_params"], {}, notes)
        case ["emp_params"]:
            return _single("OneTrainer emp_params", tensors["emp_params"], {}, notes)
        case ["clip_l"]:
            alone = "clip_l stands alone: taken for SD1, as WebUIs do."
            return Found("clip_l alone", {"clip_l": (tensors["clip_l"],)}, "sd1", {}, (*notes, alone))
        case []:
            raise InvalidEmbedding(
                f"The file holds only {', '.join(ignored)}: the text encoder's output, not vectors of a prompt.",
                "Save the embedding from its trainer without that option.",
            )
    return _find_diffusers(tensors, notes)


def find_bundled(saved: Mapping[str, Any]) -> dict[str, Found]:
    """The embeddings in a LoRA file by name; empty where there are none."""
    bundles: dict[str, dict[str, Any]] = {}
    for key, value in saved.items():
        if isinstance(key, str) and key.startswith(_BUNDLE):
            name, _, inner = key.removeprefix(_BUNDLE).partition(".")
            # A1111's dict within the flat keys of a .safetensors.
            inner = "*" if inner == "string_to_param.*" else inner
            bundles.setdefault(name, {})[inner] = value
    return {name: find_layout(entry) for name, entry in bundles.items()}


def rows_and_width(tensor: StoredTensor) -> tuple[int, int]:
    """Of [V, D], or of [D], which is one vector. Raises InvalidEmbedding at any other or an absurd shape."""
    rows, width = (1, *tensor.shape) if len(tensor.shape) == 1 else (*tensor.shape, 0, 0)[:2]
    if len(tensor.shape) > 2 or not (1 <= rows <= MAX_ROWS and 1 <= width <= MAX_WIDTH):
        shape = "x".join(map(str, tensor.shape[:8])) or "one number"
        raise InvalidEmbedding(
            f"A tensor of shape {shape} cannot be vectors of an embedding.",
            f"Vectors x width is wanted: 1 to {MAX_ROWS} vectors, 1 to {MAX_WIDTH} wide.",
        )
    return rows, width


def _check_type(tensor: StoredTensor) -> None:
    if tensor.dtype in REAL:
        return
    what = {"C64": "complex", "complex64": "complex"}.get(tensor.dtype, "not real numbers that we read")
    raise InvalidEmbedding(
        f"Its vectors are numbers of the type {tensor.dtype[:40]!r}, which are {what}.",
        "Save it anew in float32, float16 or bfloat16.",
    )


def _find_a1111(saved: Mapping[str, Any]) -> Found:
    terms = saved["string_to_param"]
    if not isinstance(terms, Mapping) or not all(isinstance(value, StoredTensor) for value in terms.values()):
        raise InvalidEmbedding("Its string_to_param holds no tensor.", "The file is damaged, or not an embedding.")
    if len(terms) != 1:
        raise InvalidEmbedding(
            f"The file holds {len(terms)} terms in string_to_param; an embedding has one.",
            "Save each term in a file of its own.",
        )
    values = {key: value for key, value in saved.items() if key != "string_to_param"}
    return _single("A1111", next(iter(terms.values())), values, ())


def _single(layout: str, tensor: StoredTensor, values: Mapping[str, Any], notes: tuple[str, ...]) -> Found:
    encoder, family = _BY_WIDTH.get(rows_and_width(tensor)[1], (UNKNOWN_ENCODER, None))
    return Found(layout, {encoder: (tensor,)}, family, values, notes)


def _find_pair(tensors: Mapping[str, StoredTensor], notes: tuple[str, ...]) -> Found:
    if "clip_l" not in tensors:
        raise InvalidEmbedding("The file holds clip_g without clip_l.", "SDXL needs both; save it anew with both.")
    others = tuple(f"{key} is ignored." for key in tensors if key not in ("clip_l", "clip_g"))
    pair = {"clip_l": (tensors["clip_l"],), "clip_g": (tensors["clip_g"],)}
    left, right = (rows_and_width(tensors[key])[0] for key in pair)
    if left != right:
        raise InvalidEmbedding(
            f"clip_l has {left} vectors and clip_g has {right}.",
            "Such a file loads in WebUIs and spoils every prompt; make it anew with equal numbers.",
        )
    return Found("clip_l + clip_g", pair, "sdxl", {}, notes + others)


def _find_diffusers(tensors: Mapping[str, StoredTensor], notes: tuple[str, ...]) -> Found:
    token = min(tensors, key=len)
    wanted = [token, *(f"{token}_{number}" for number in range(1, len(tensors)))]
    if set(wanted) != set(tensors):
        keys = ", ".join(repr(key[:40]) for key in list(tensors)[:3])
        raise InvalidEmbedding(
            f"The file holds {len(tensors)} tensors ({keys}, …), which are no embedding that we know.",
            "Is it a LoRA or a checkpoint? Several embeddings in one file have to be saved one by one.",
        )
    parts = tuple(tensors[key] for key in wanted)
    if len({rows_and_width(part)[1] for part in parts}) > 1 or (
        len(parts) > 1 and any(rows_and_width(part)[0] > 1 for part in parts)
    ):
        raise InvalidEmbedding(f"The vectors of {token!r} are of different shapes.", "The file is damaged.")
    found = _single("diffusers", parts[0], {"name": token}, notes)
    return Found(found.layout, dict.fromkeys(found.tensors, parts), found.family, found.values, notes)


def _refuse_known(saved: Mapping[str, Any], tensors: Mapping[str, StoredTensor]) -> None:
    def refuse(what: str, hint: str) -> NoReturn:
        raise InvalidEmbedding(f"This is {what}.", hint)

    if len(tensors) > 1 and all(_XTI_KEY.fullmatch(key) for key in tensors):
        refuse(
            "an XTI embedding, with vectors for each layer of the UNet (IN01 … OUT11)", "WebUIs cannot use it either."
        )
    if any(key.lower() in _T5_KEYS for key in tensors):
        refuse("an embedding for SD3 or Flux (it holds vectors of T5)", "Only SD1, SD2 and SDXL are ours.")
    if "optimizer_state_dict" in saved:
        refuse("the optimizer's state beside an embedding (.optim)", "Take the file without .optim.")
    if "state_dict" in saved:
        refuse("a checkpoint", "Put it into the folder of models.")
    if any(_LORA_KEY.search(key) for key in tensors):
        refuse("a LoRA", "Put it into the folder of LoRAs.")
