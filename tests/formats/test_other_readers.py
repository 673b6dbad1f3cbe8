"""A user would lose: files that work in the other programs they use. Each reader follows that program's own rules."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lib_ti.adapters.standalone.libraries import CLIPTextConfig, CLIPTextModel

# isort: split
from diffusers.loaders import TextualInversionLoaderMixin
from transformers import CLIPTokenizer

from lib_ti.embedding.embedding import Embedding
from lib_ti.formats.files import save_diffusers, save_embedding

Vectors = dict[str, torch.Tensor]


def read(path: Path) -> Any:
    return load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)


def read_as_a1111(path: Path) -> Vectors:
    """Its loader: string_to_param with one term; clip_g and clip_l together; else exactly one tensor, of one or two dimensions."""
    data = read(path)
    if "string_to_param" in data:
        (vectors,) = data["string_to_param"].values()
        return {"one": vectors.detach().float()}
    if "clip_g" in data and "clip_l" in data:
        return dict(data)
    assert len(data) == 1, "embedding file has multiple terms in it"
    (vectors,) = data.values()
    return {"one": vectors[None] if vectors.ndim == 1 else vectors}


def read_as_comfyui(path: Path, encoder: str) -> torch.Tensor:
    """Its rules by key: string_to_param's first; the encoder's own; else the first tensor of the file."""
    data = read(path)
    if "string_to_param" in data:
        return next(iter(data["string_to_param"].values()))
    return data[encoder] if encoder in data else next(iter(data.values()))


def read_as_kohya(path: Path, family: str) -> Vectors:
    """Its generation scripts: the pair for SDXL; else string_to_param, emb_params or the first tensor."""
    data = read(path)
    if family == "sdxl":
        return {key: data[key] for key in ("clip_l", "clip_g")}
    if "string_to_param" in data:
        return {"one": next(iter(data["string_to_param"].values()))}
    return {"one": next(iter(data.values()))}


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_sd1_in_a1111_comfyui_and_kohya(tmp_path: Path, sd1: Embedding, suffix: str) -> None:
    path = tmp_path / f"my-cat{suffix}"
    save_embedding(sd1, path)
    wanted = sd1.vectors["clip_l"]
    for seen in (read_as_a1111(path)["one"], read_as_comfyui(path, "clip_l"), read_as_kohya(path, "sd1")["one"]):
        assert torch.equal(seen, wanted)


def test_sdxl_in_a1111_comfyui_and_kohya(tmp_path: Path, sdxl: Embedding) -> None:
    path = tmp_path / "my-cat.safetensors"
    save_embedding(sdxl, path)
    for encoder, wanted in sdxl.vectors.items():
        for seen in (
            read_as_a1111(path)[encoder],
            read_as_comfyui(path, encoder),
            read_as_kohya(path, "sdxl")[encoder],
        ):
            assert torch.equal(seen, wanted)
    assert set(read_as_a1111(path)) == {"clip_l", "clip_g"}, (
        "A1111 would take any other tensor for a part of the embedding"
    )


class Pipeline(TextualInversionLoaderMixin):
    """diffusers' own loader, on a text encoder of 768 wide and a vocabulary of letters."""

    def __init__(self) -> None:
        letters = [*"abcdefghijklmnopqrstuvwxyz-", *(f"{letter}</w>" for letter in "abcdefghijklmnopqrstuvwxyz-")]
        vocabulary = {word: number for number, word in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
        self.tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[])
        sizes = {"hidden_size": 768, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
        config = CLIPTextConfig(vocab_size=len(vocabulary), bos_token_id=54, eos_token_id=55, **sizes)
        self.text_encoder = CLIPTextModel(config)
        self.hf_device_map = None
        self.components: dict[str, Any] = {}


@pytest.mark.parametrize("name", ["ours.safetensors", "a1111.pt", "diffusers.safetensors", "diffusers.bin"])
def test_sd1_in_diffusers_load_textual_inversion(tmp_path: Path, sd1: Embedding, name: str) -> None:
    path = tmp_path / name
    (save_diffusers if name.startswith("diffusers") else save_embedding)(sd1, path)
    pipeline = Pipeline()
    pipeline.load_textual_inversion(str(path), token="<mine>", local_files_only=True)
    tokens = ["<mine>", "<mine>_1", "<mine>_2"]
    ids = pipeline.tokenizer.convert_tokens_to_ids(tokens)
    table = pipeline.text_encoder.get_input_embeddings().weight
    torch.testing.assert_close(table[ids].detach(), sd1.vectors["clip_l"])
    assert pipeline.maybe_convert_prompt("a <mine>", pipeline.tokenizer) == "a " + " ".join(tokens)
