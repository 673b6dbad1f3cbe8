"""One file of every layout in the wild, written by the library that its program uses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from tests.embeddings import vectors

L, G, H, T5 = (vectors(2, width) for width in (768, 1280, 1024, 4096))


def a1111(tensor: Any, **more: Any) -> dict[str, Any]:
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": tensor}, "name": "inner", "step": 9} | more


def legacy(value: Any, path: Path) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


def parameter_dict() -> dict[str, Any]:
    return {
        "string_to_token": {"*": torch.tensor(265)},
        "string_to_param": nn.ParameterDict({"*": nn.Parameter(L)}),
    }


Write = Callable[[Any, Path], None]

READABLE: dict[str, tuple[Write, Any, str, dict[str, torch.Tensor]]] = {
    # what: writer, value, ending, vectors by encoder
    "A1111": (torch.save, a1111(L, sd_checkpoint="c0ffee0000", sd_checkpoint_name="m"), "pt", {"clip_l": L}),
    "A1111 SD2": (torch.save, a1111(H, sd_checkpoint=None), "pt", {"clip_h": H}),
    "A1111 legacy pickle": (legacy, a1111(L), "pt", {"clip_l": L}),
    "A1111 half": (torch.save, a1111(L.half()), "pt", {"clip_l": L.half().float()}),
    "A1111 with a Parameter": (torch.save, a1111(nn.Parameter(L)), "pt", {"clip_l": L}),
    "A1111 transposed": (torch.save, a1111(L.t().contiguous().t()), "pt", {"clip_l": L}),
    "the paper's ParameterDict": (torch.save, parameter_dict(), "pt", {"clip_l": L}),
    "the paper's ParameterDict, legacy": (legacy, parameter_dict(), "pt", {"clip_l": L}),
    "emb_params": (save_file, {"emb_params": L}, "safetensors", {"clip_l": L}),
    "emb_params bfloat16": (save_file, {"emb_params": L.bfloat16()}, "safetensors", {"clip_l": L.bfloat16().float()}),
    "emb_params of a tiny model": (save_file, {"emb_params": L[:, :64].clone()}, "safetensors", {"unknown": L[:, :64]}),
    "SDXL": (save_file, {"clip_l": L, "clip_g": G}, "safetensors", {"clip_l": L, "clip_g": G}),
    "SDXL pickle": (torch.save, {"clip_l": L, "clip_g": G}, "pt", {"clip_l": L, "clip_g": G}),
    "OneTrainer SDXL": (
        save_file,
        {"clip_l": L, "clip_g": G, "clip_l_out": L.clone(), "clip_g_out": G.clone()},
        "safetensors",
        {"clip_l": L, "clip_g": G},
    ),
    "OneTrainer SD1": (save_file, {"emp_params": L, "emp_params_out": L.clone()}, "safetensors", {"clip_l": L}),
    "clip_l alone": (save_file, {"clip_l": L}, "safetensors", {"clip_l": L}),
    "diffusers 1-D": (torch.save, {"<cat-toy>": L[0].clone()}, "bin", {"clip_l": L[:1]}),
    "diffusers 2-D": (save_file, {"<cat-toy>": L}, "safetensors", {"clip_l": L}),
    "diffusers numbered": (
        save_file,
        {"cat_1": L[1].clone(), "cat": L[0].clone()},
        "safetensors",
        {"clip_l": L},
    ),
    "LoRA with SDXL embedding": (
        save_file,
        {
            "bundle_emb.cat.clip_l": L,
            "bundle_emb.cat.clip_g": G,
            "lora_unet_x.lora_down.weight": torch.ones(9, 9, 3, 3),
        },
        "safetensors",
        {"clip_l": L, "clip_g": G},
    ),
    "LoRA with SD1 embedding": (
        save_file,
        {"bundle_emb.cat.string_to_param.*": L, "lora_unet_x.alpha": torch.tensor(1.0)},
        "safetensors",
        {"clip_l": L},
    ),
    "80 vectors": (save_file, {"emb_params": vectors(80, 768)}, "safetensors", {"clip_l": vectors(80, 768)}),
}

REFUSED: dict[str, tuple[Write, Any, str, str]] = {
    # what: writer, value, ending, words of the refusal
    "XTI": (save_file, {f"{k}": L[0].clone() for k in ("IN01", "IN02", "MID", "OUT03", "OUT11")}, "safetensors", "XTI"),
    "SD3": (save_file, {"clip_l": L, "clip_g": G, "t5": T5}, "safetensors", "SD3 or Flux"),
    "Flux": (save_file, {"clip_l": L, "t5xxl": T5}, "safetensors", "SD3 or Flux"),
    "unequal rows": (save_file, {"clip_l": L, "clip_g": vectors(3, 1280)}, "safetensors", "2 vectors and clip_g has 3"),
    "clip_g alone": (save_file, {"clip_g": G}, "safetensors", "without clip_l"),
    "output only": (save_file, {"emp_params_out": L}, "safetensors", "text encoder's output"),
    "two terms": (torch.save, {"string_to_param": {"*": L, "+": L}}, "pt", "2 terms"),
    "optimizer": (torch.save, {"hash": "x", "optimizer_state_dict": {}}, "pt", "optimizer"),
    "LoRA": (save_file, {"x.lora_down.weight": L, "x.lora_up.weight": L.clone()}, "safetensors", "a LoRA"),
    "two bundled": (save_file, {"bundle_emb.a.emb_params": L, "bundle_emb.b.emb_params": L + 1}, "safetensors", "a, b"),
    "checkpoint": (torch.save, {"state_dict": {"w": torch.ones(3, 3)}}, "pt", "checkpoint"),
    "many tensors": (save_file, {"a": L, "b": L + 1}, "safetensors", "2 tensors"),
    "no tensor": (torch.save, {"name": "x"}, "pt", "no tensors"),
    "a list": (torch.save, [1, 2], "pt", "by name"),
    "absurd shape": (torch.save, a1111(torch.zeros(1).expand(10**6, 10**6)), "pt", "1000000x1000000"),
    "a picture's shape": (save_file, {"emb_params": torch.ones(1, 2, 3)}, "safetensors", "1x2x3"),
    "NaN": (save_file, {"emb_params": L * float("nan")}, "safetensors", "NaN"),
}
