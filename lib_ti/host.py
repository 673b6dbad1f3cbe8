"""What we ask of a host: the program that has a model loaded. Three kinds answer: A1111's family, Forge's, and our own.

Shape letters, here and everywhere: **B** batch, **T** tokens, **V** vectors of an embedding, **D** width of one text encoder,
**C** latent channels, **H W** pixels, **h w** latent cells. Encoders are called `clip_l` (SD1, SDXL), `clip_h` (SD2), `clip_g` (SDXL).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

Family = Literal["sd1", "sd2", "sdxl"]
PredictionType = Literal["epsilon", "v_prediction"]
Vectors: TypeAlias = "Mapping[str, Mapping[str, torch.Tensor]]"
"""Of several embeddings: [V, D] by name, as prompts call it, then by encoder."""


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

    The training core cuts the graph here: it trains the UNet's side on rows without one, and sends their summed gradient back
    through the prompts encoded once more.
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
    """What a training session is opened for. `placeholder` is the embedding's name, as prompts will call it, and `vectors` how
    many rows it has; `others` are embeddings in training beside it: rows by name. `clip_skip`
    counts as WebUIs do (1 = last layer). `checkpointing` trades time for memory in the UNet's backward pass. `networks` names
    the LoRAs that work in the model meanwhile, as prompts do ("<lora:name:0.8>"); a host that knows none refuses. Whoever
    waits for the model asks `given_up`, and raises GivenUp when it is True."""

    placeholder: str
    vectors: int
    clip_skip: int = 1
    checkpointing: bool = False
    networks: str = ""
    given_up: Callable[[], bool] = lambda: False
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> dict[str, int]:
        """Of every embedding in training, by name."""
        return {self.placeholder: self.vectors, **self.others}


class TextModel(Protocol):
    """The words that the loaded model knows: enough for create, merge and inspect.

    Example:
        >>> ids = host.tokenize("a cat")            # [320, 2368]
        >>> host.token_text(ids[1])                 # "cat</w>"
        >>> host.token_vectors(ids, "clip_l").shape # torch.Size([2, 768])
    """

    def model(self) -> ModelInfo:
        """The checkpoint that is loaded, or is loaded now where the host does so at the first use.

        Raises:
            HostError: there is none, or the host is changing it at this moment.
            UnsupportedModel: it is none of SD1, SD2 and SDXL.
        """
        ...

    def tokenize(self, text: str) -> list[int]:
        """Cut `text` as the model's tokenizer does.

        Args:
            text: literal text: brackets, commas and names of embeddings mean nothing here.

        Returns:
            Ids 0 .. 49407, without start, end or padding; empty for an empty text. SDXL's two encoders share them.
        """
        ...

    def token_text(self, token_id: int) -> str:
        """The piece as the vocabulary writes it, `</w>` ending a word; bytes that are no text of their own show as `\\xNN`.

        Raises:
            HostError: `token_id` is outside of the vocabulary.
        """
        ...

    def token_vectors(self, ids: Sequence[int], encoder: str) -> torch.Tensor:
        """Rows of a token table.

        Args:
            ids: V token ids.
            encoder: `clip_l`, `clip_h` or `clip_g`, as `model().encoders` names them.

        Returns:
            [V, D] float32 on the CPU, one row an id; the caller's own, to change as it likes.
        """
        ...

    def all_token_vectors(self, encoder: str) -> torch.Tensor:
        """The whole token table, [vocabulary, D] float32 on the CPU: 145 MiB for clip_l, 241 MiB for clip_g."""
        ...


class EmbeddingFolder(Protocol):
    """Where a host keeps embeddings and what belongs to them. Folders need not exist yet."""

    def embeddings_folder(self) -> Path:
        """Where prompts look for embeddings, at any depth."""
        ...

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
    """The model, ready to be trained against; only inside `with host.training_session(...)`.

    All weights are frozen: a backward pass gives a gradient to the vectors that are handed in and to nothing else. What a method
    returns is gone back through before the next is called: a host may move its weights from call to call.
    """

    device: torch.device
    """Where `predict` computes, and where what these methods return lies."""
    dtype: torch.dtype
    """In which the UNet computes; what goes in and comes out is float32 all the same."""
    prediction_type: PredictionType
    alphas_cumprod: torch.Tensor
    """[1000] float32 on the CPU: the share of the picture's variance left at each timestep."""

    def encode_images(self, pixels: torch.Tensor) -> Latents:
        """Pictures as the UNet knows them.

        Args:
            pixels: [B, 3, H, W] float32 in -1..1 on the CPU; H and W are multiples of the model's `pixel_multiple`.

        Returns:
            Mean and std, each [B, C, h, w] float32, without a gradient.
        """
        ...

    def offload_image_encoder(self) -> None:
        """Move the image encoder off the device until a preview needs it; a no-op where there is nothing to gain."""
        ...

    def placeholder_rows(self, prompt: str) -> dict[str, int]:
        """How many rows of each embedding in training the text encoder really sees in `prompt`: V for each whole occurrence."""
        ...

    def encode_prompts(self, prompts: Sequence[str], vectors: Vectors, sizes: Sequence[PictureSize]) -> Conditioning:
        """Encode prompts as the host does for its own pictures, emphasis and all.

        Args:
            prompts: B prompts, in which the names of `vectors` stand for them.
            vectors: [V, D] float32 by name and encoder, of every embedding in training; gradients of what is returned reach
                those that stand in prompts. Under `torch.no_grad` the same values come without a graph.
            sizes: B sizes in pixels, which SDXL reads and the others ignore.

        Returns:
            Tensors with B rows each, on `device`.

        Raises:
            HostError: the host cannot encode them now.
        """
        ...

    def predict(self, noisy: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        """One pass through the UNet.

        Args:
            noisy: noisy latents, [B, C, h, w] float32 on `device`.
            timesteps: [B] int64 in 0 .. 999 on `device`.
            conditioning: B rows, with or without a gradient.

        Returns:
            The raw output, [B, C, h, w] float32: noise or v, as `prediction_type` says.
        """
        ...

    def preview(self, request: ImageRequest, vectors: Vectors) -> Image | None:
        """Generate with the names of `vectors` standing for them; leaves no trace in the run (random state, caches).

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
    """The program that has a model loaded: everything that `lib_ti` asks of it.

    What only some hosts can do has protocols of its own below, which are asked for by `isinstance`.

    Example:
        >>> with host.training_session(SessionRequest("my-cat", vectors=2)) as session:
        ...     latents = session.encode_images(pixels)
    """

    def training_session(self, request: SessionRequest) -> AbstractContextManager[TrainingSession]:
        """Take the model for a training, once the host's other jobs are done.

        On exit, also after an error, everything is as it was: weights, dtypes, `requires_grad`, hooks, random state.

        Raises:
            UnsupportedModel: no gradient can be taken in the loaded model (an inpainting model, packed weights …).
            HostError: the host cannot do it now, or knows none of the `networks` that are asked for.
            Busy: another session of ours is open, in a host without a queue.
            GivenUp: `request.given_up()` became True while waiting.
        """
        ...

    def validate_session(self, request: SessionRequest) -> None:
        """Refuse at once, without taking the model, what `training_session(request)` would refuse once it has it.

        Raises:
            HostError, InvalidConfig: the device, the precision or one of the `networks` cannot be had; `where` names the setting.
            UnsupportedModel: no gradient can be taken in the loaded model.
        """
        ...

    def placeholder_rows(self, prompts: Sequence[str], request: SessionRequest) -> list[dict[str, int]] | None:
        """How many rows of each embedding the text encoder would see in each prompt, V for each whole occurrence.

        None where the host is at work, and would have to be waited for.
        """
        ...

    def validate_picture(self, request: ImageRequest) -> None:
        """Raise HostError for a sampler that `generate` does not know."""
        ...

    def generate(self, request: ImageRequest, extra: Vectors | None = None) -> Image:
        """One picture by the host's own samplers.

        Args:
            request: prompts and settings; expressions in prompts must have been evaluated before.
            extra: [V, D] by name and encoder: words that stand for vectors in these prompts, besides the embeddings of
                `embeddings_folder()`.

        Returns:
            An RGB picture.

        Raises:
            HostError: an unknown sampler, a size that the model cannot paint, an interrupt.
        """
        ...

    def samplers(self) -> list[str]:
        """Names that `ImageRequest.sampler` may have, as the host's page shows them."""
        ...


@runtime_checkable
class LateHost(Protocol):
    """A host that loads the chosen checkpoint only when something needs it, as a picture or `model()` does."""

    def pending_model(self) -> str:
        """The name of the chosen checkpoint while it is not the loaded one; else ""."""
        ...


@runtime_checkable
class MemoryTeller(Protocol):
    """A host that can say beforehand how much memory training takes."""

    def update_memory(self, shape: Sequence[int], checkpointing: bool) -> tuple[int, int] | None:
        """Of a backward pass through the UNet, where noisy latents of `shape` [B, C, h, w] go through together.

        Returns:
            Bytes that it needs beside the model, and bytes that are free; None where that is not known.
        """
        ...


@runtime_checkable
class Captioner(Protocol):
    """What a host may offer besides: words for pictures by models of its own, such as BLIP."""

    def captioners(self) -> list[str]: ...

    def caption(self, image: Image, name: str, given_up: Callable[[], bool]) -> str:
        """What captioner `name` says of an RGB picture. Raises HostError; GivenUp when `given_up` becomes True while it waits
        for the host's other jobs."""
        ...


@runtime_checkable
class FaceFinder(Protocol):
    """What a host may offer besides: where faces are."""

    def find_faces(self, image: Image) -> list[tuple[float, float]] | None:
        """The places (x, y), in pixels, to look at in an RGB picture; None where the detector is not at hand."""
        ...
