"""What we ask of a host: the program that has a model loaded. Three kinds answer: A1111's family, Forge's, and our own.

Shape letters, here and everywhere: **B** batch, **T** tokens, **V** vectors of an embedding, **D** width of one text encoder,
**C** latent channels, **H W** pixels, **h w** latent cells. Encoders are called `clip_l` (SD1, SDXL), `clip_h` (SD2), `clip_g` (SDXL).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

Family = Literal["sd1", "sd2", "sdxl"]
PredictionType = Literal["epsilon", "v_prediction"]


@dataclass(frozen=True)
class EncoderInfo:
    """One text encoder. `padding_id` is the token that fills its prompts: 49407 in clip_l, 0 in clip_h and clip_g."""

    name: str
    width: int
    padding_id: int


@dataclass(frozen=True)
class ModelInfo:
    """The checkpoint that the host has loaded.

    `short_hash` is the first 10 hex digits of the file's SHA-256, as WebUIs show it ("" where the host knows none).
    `native_size` is the side in pixels of the pictures it was trained on; `pixel_multiple` divides every legal picture side.
    """

    name: str
    short_hash: str
    family: Family
    encoders: tuple[EncoderInfo, ...]
    prediction_type: PredictionType
    native_size: int
    pixel_multiple: int = 8
    zero_terminal_snr: bool = False

    def encoder(self, name: str) -> EncoderInfo:
        return next(encoder for encoder in self.encoders if encoder.name == name)


@dataclass(frozen=True)
class PictureSize:
    """SDXL's size conditioning of one picture, in pixels; other families ignore it."""

    original_height: int
    original_width: int
    crop_top: int
    crop_left: int
    target_height: int
    target_width: int


@dataclass(frozen=True)
class Latents:
    """The image encoder's normal distribution, already scaled for the UNet: mean and std, each [B, C, h, w] float32.

    `std` is zero where a host gives only a point.
    """

    mean: torch.Tensor
    std: torch.Tensor


@dataclass(frozen=True)
class Conditioning:
    """What the UNet reads of the prompts, by the host's own keys; every tensor has B rows first.

    The training core cuts the graph here: it trains the UNet's side on detached rows and sends their summed gradient back once.
    """

    tensors: Mapping[str, torch.Tensor]

    def rows(self, start: int, stop: int) -> Conditioning:
        return replace(self, tensors={key: tensor[start:stop] for key, tensor in self.tensors.items()})


@dataclass(frozen=True)
class ImageRequest:
    """One picture to generate. `width` and `height` of 0 mean the model's native size; `seed` is always a real seed."""

    prompt: str
    negative: str = ""
    steps: int = 20
    cfg: float = 7.0
    sampler: str = "DPM++ 2M"
    seed: int = 0
    width: int = 0
    height: int = 0
    clip_skip: int = 1


@dataclass(frozen=True)
class SessionRequest:
    """What a training session is opened for. `placeholder` is the embedding's name, as prompts will call it; `clip_skip`
    counts as WebUIs do (1 = last layer). `checkpointing` trades time for memory in the UNet's backward pass. `networks` names
    the LoRAs that work in the model meanwhile, as prompts do ("<lora:name:0.8>"); a host that knows none refuses. Whoever
    waits for the model asks `given_up`, and raises GivenUp when it is True."""

    placeholder: str
    vectors: int
    clip_skip: int = 1
    checkpointing: bool = False
    networks: str = ""
    given_up: Callable[[], bool] = lambda: False


class TextModel(Protocol):
    """Enough for create, merge and inspect."""

    def model(self) -> ModelInfo: ...

    def tokenize(self, text: str) -> list[int]:
        """Token ids of literal text, without start, end or padding."""
        ...

    def token_text(self, token_id: int) -> str: ...

    def token_vectors(self, ids: Sequence[int], encoder: str) -> torch.Tensor:
        """[V, D] float32 on the CPU, one row an id."""
        ...

    def all_token_vectors(self, encoder: str) -> torch.Tensor:
        """The whole token table, [vocabulary, D] float32 on the CPU."""
        ...


class EmbeddingFolder(Protocol):
    def embeddings_folder(self) -> Path: ...

    def log_folder(self) -> Path:
        """Where runs keep copies, previews and logs unless the user says otherwise."""
        ...

    def template_folders(self) -> list[Path]:
        """Where the user's own prompt templates lie; one of them wins over ours of the same name."""
        ...

    def refresh_embeddings(self) -> None:
        """Make prompts see the files as they are now."""
        ...


class TrainingSession(Protocol):
    """The model, ready to be trained against; only inside `with host.training_session(...)`."""

    device: torch.device
    dtype: torch.dtype
    prediction_type: PredictionType
    alphas_cumprod: torch.Tensor
    """[1000] float32 on the CPU: the share of the picture's variance left at each timestep."""

    def encode_images(self, pixels: torch.Tensor) -> Latents:
        """`pixels`: [B, 3, H, W] float32 in -1..1 on the CPU."""
        ...

    def offload_image_encoder(self) -> None:
        """Move the image encoder off the device until a preview needs it; a no-op where there is nothing to gain."""
        ...

    def placeholder_rows(self, prompt: str) -> int:
        """How many rows of the placeholder the text encoder really sees in `prompt`: V for each whole occurrence."""
        ...

    def encode_prompts(
        self, prompts: Sequence[str], vectors: Mapping[str, torch.Tensor], sizes: Sequence[PictureSize]
    ) -> Conditioning:
        """Encode B prompts in which the placeholder stands for `vectors` ([V, D] by encoder); gradients reach `vectors`."""
        ...

    def predict(self, noisy: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        """The UNet's raw output (noise or v). `noisy`: [B, C, h, w] and `timesteps`: [B] int64, both on `device`."""
        ...

    def preview(self, request: ImageRequest, vectors: Mapping[str, torch.Tensor]) -> Image | None:
        """Generate with the placeholder standing for `vectors`; leaves no trace in the run (random state, caches).

        None when the host's own Interrupt cut the picture short.
        """
        ...

    def interrupted(self) -> bool:
        """Whether someone pressed the host's own Interrupt, which is to end the run as Stop does."""
        ...

    def show_progress(self, done: int, total: int) -> None:
        """Show in the host's own progress bar how far the run is, in steps."""
        ...

    def check(self) -> None:
        """Raise HostError when the host's model is no longer the one this session was opened on."""
        ...


class Host(TextModel, EmbeddingFolder, Protocol):
    def training_session(self, request: SessionRequest) -> AbstractContextManager[TrainingSession]:
        """Ready the model; on exit, also after an error, everything is as it was: weights, flags, hooks, random state."""
        ...

    def generate(self, request: ImageRequest, extra: Mapping[str, Mapping[str, torch.Tensor]] | None = None) -> Image:
        """A picture with the embeddings of `embeddings_folder()` at hand, and with `extra` ones: [V, D] by name and encoder."""
        ...

    def samplers(self) -> list[str]: ...


@runtime_checkable
class LateHost(Protocol):
    """A host that loads the chosen checkpoint only when something needs it, as a picture or `model()` does."""

    def pending_model(self) -> str:
        """The name of the chosen checkpoint while it is not the loaded one; else ""."""
        ...


@runtime_checkable
class Captioner(Protocol):
    """What a host may offer besides: words for pictures by models of its own, such as BLIP."""

    def captioners(self) -> list[str]: ...

    def caption(self, image: Image, name: str) -> str:
        """What captioner `name` says of an RGB picture. Raises HostError."""
        ...


@runtime_checkable
class FaceFinder(Protocol):
    """What a host may offer besides: where faces are."""

    def find_faces(self, image: Image) -> list[tuple[float, float]] | None:
        """The places (x, y), in pixels, to look at in an RGB picture; None where the detector is not at hand."""
        ...
