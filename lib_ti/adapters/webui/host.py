"""The host inside a WebUI: what is the same in all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.adapters.webui.model import loaded_model, token_text
from lib_ti.errors import HostError, TIError, collected, raise_together
from lib_ti.host import ImageRequest, ModelInfo, SessionRequest, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from lib_ti.adapters.webui.model import TextEncoder
    from lib_ti.adapters.webui.session import WebuiSession


class WebuiHost(ABC):
    """What differs between them stands at the end: abstract, for A1111Host and ForgeHost to say."""

    def model(self) -> ModelInfo:
        from lib_ti.adapters.webui.queue import model_whole

        with model_whole(self._whole_model):
            return self._describe(self._chosen_model())

    def tokenize(self, text: str) -> list[int]:
        encoder = next(iter(self._encoders().values()))
        return list(encoder.wrapper.tokenize([text])[0])

    def token_text(self, token_id: int) -> str:
        return token_text(self._encoders(), token_id)

    def token_vectors(self, ids: Sequence[int], encoder: str) -> Tensor:
        return self._table(encoder)[list(ids)].float().cpu()

    def all_token_vectors(self, encoder: str) -> Tensor:
        return self._table(encoder).clone().float().cpu()

    def embeddings_folder(self) -> Path:
        from modules import shared

        return Path(shared.cmd_opts.embeddings_dir)

    def log_folder(self) -> Path:
        from lib_ti.adapters.webui.settings import log_folder

        return log_folder()

    def template_folders(self) -> list[Path]:
        from modules import shared

        folder = getattr(shared.cmd_opts, "textual_inversion_templates_dir", "")  # gone where the Train tab is
        return [Path(folder)] if folder else []

    def refresh_embeddings(self) -> None:
        """At our turn where a job of the WebUI is at work: it may be changing its model, as it does once a run is over in which
        another was chosen. Whatever is asked of the WebUI from now on comes after."""
        from lib_ti.adapters.webui.queue import read_embeddings

        read_embeddings(self._refresh_embeddings)

    @contextmanager
    def training_session(self, request: SessionRequest) -> Iterator[WebuiSession]:
        from lib_ti.adapters.webui.queue import exclusive

        with (
            exclusive(f"Train {request.placeholder}", request.given_up),
            self._ready_session(self._trainable_model(), request) as session,
        ):
            yield session

    def validate_session(self, request: SessionRequest) -> None:
        from lib_ti.adapters.webui.leftovers import validate_loras

        errors: list[TIError] = []
        with collected(errors):
            self._validate_trainable(self._chosen_model())
        with collected(errors):
            validate_loras(request.networks)
        raise_together(errors)

    def placeholder_rows(self, prompts: Sequence[str], request: SessionRequest) -> list[dict[str, int]] | None:
        from lib_ti.adapters.webui.placeholder import count_rows
        from lib_ti.adapters.webui.queue import exclusive_if_free
        from lib_ti.adapters.webui.session import empty_vectors

        # Prompts of pictures must not meet a placeholder of zeros, so only while none is made.
        with exclusive_if_free("Check the captions") as free:
            if not free:
                return None
            sd_model, nothing = loaded_model(), empty_vectors(request)
            encoder = next(iter(self._find_encoders(sd_model).values())).wrapper
            counts = []
            for prompt in prompts:
                with self._placeholders(sd_model, nothing) as ours:
                    counts.append({name: count_rows(encoder, prompt, embedding) for name, embedding in ours.items()})
        return counts

    def update_memory(self, shape: Sequence[int], checkpointing: bool) -> tuple[int, int] | None:
        import torch
        from modules import devices

        from lib_ti.adapters.memory import free_memory, training_room

        free = free_memory(torch.device(devices.device))
        sdxl = self.model().family == "sdxl"
        return (training_room(shape, devices.dtype_unet, checkpointing, sdxl), free) if free else None

    def validate_picture(self, request: ImageRequest) -> None:
        from lib_ti.adapters.webui.txt2img import validate_sampler

        validate_sampler(request.sampler)

    def generate(self, request: ImageRequest, extra: Vectors | None = None) -> Image:
        from lib_ti.adapters.webui.queue import exclusive
        from lib_ti.adapters.webui.txt2img import generate

        with exclusive("Picture"), ExitStack() as stack:
            sd_model = self._load_chosen()
            if extra:
                self._refresh_embeddings()  # now, for a WebUI would do it in mid-picture and lose the extra ones
                stack.enter_context(self._placeholders(sd_model, extra))
            image = generate(sd_model, request, self._describe(sd_model).native_size, in_training=False)
        if image is None:
            raise HostError("The picture was interrupted.")
        return image

    @contextmanager
    def prompt_words(self, extra: Vectors) -> Iterator[None]:
        """Meanwhile the words `extra` stand in the WebUI's prompts for their vectors, [V, D] by encoder, V from 1 to 75.

        For the time in which a job encodes its prompts, in that job's own thread. The words are in no list and in no file,
        and leave no trace in an infotext. Raises HostError at the end where the WebUI has read its embeddings anew
        meanwhile: what was encoded may lack the words, and is not kept.
        """
        from lib_ti.adapters.webui.txt2img import forget_conditioning

        with self._placeholders(loaded_model(), extra) as ours:
            yield
            databases = self._databases(loaded_model())
            if any(known.word_embeddings.get(name) is not ours[name] for known in databases for name in ours):
                forget_conditioning()
                raise HostError("The list of embeddings was refreshed while a prompt was read.", "Generate again.")

    def captioners(self) -> list[str]:
        from lib_ti.adapters.webui.captioners import captioners

        return captioners()

    def caption(self, image: Image, name: str, given_up: Callable[[], bool]) -> str:
        from lib_ti.adapters.webui.captioners import caption

        return caption(image, name, given_up)

    def find_faces(self, image: Image) -> list[tuple[float, float]] | None:
        from lib_ti.adapters.webui.captioners import find_faces

        return find_faces(image)

    def samplers(self) -> list[str]:
        from lib_ti.adapters.webui.txt2img import sampler_names

        return sampler_names()

    @contextmanager
    def _placeholders(self, sd_model: Any, vectors: Vectors) -> Iterator[dict[str, Any]]:
        """The WebUI's objects for the names of `vectors`, by name."""
        from modules import devices

        with ExitStack() as stack:
            ours = {}
            for name, matrices in vectors.items():
                placed = {key: matrix.to(devices.device) for key, matrix in matrices.items()}
                rows = len(next(iter(placed.values())))
                ours[name] = stack.enter_context(self._placeholder(sd_model, name, rows, placed))
            yield ours

    def _chosen_model(self) -> Any:
        """Loaded now where the WebUI has yet to do it, unless it is at work: then what it has."""
        from lib_ti.adapters.webui.queue import exclusive_if_free

        if self.pending_model():
            with exclusive_if_free("Load the model") as free:
                if free:
                    return self._load_chosen()
        return loaded_model()

    def _trainable_model(self) -> Any:
        sd_model = self._load_chosen()
        self._validate_trainable(sd_model)
        return sd_model

    def _encoders(self) -> dict[str, TextEncoder]:
        from lib_ti.adapters.webui.queue import model_whole

        with model_whole(self._whole_model):
            return self._find_encoders(self._chosen_model())

    def _whole_model(self) -> tuple[Any, Any]:
        """What is loaded, with its checkpoint. Raises HostError where it is nothing, or has no text encoder (yet)."""
        sd_model = loaded_model()
        if not self._find_encoders(sd_model):
            raise HostError("The WebUI's model has no text encoder that we know.")
        return sd_model, sd_model.sd_checkpoint_info

    def _refresh_embeddings(self) -> None:
        from lib_ti.adapters.webui.placeholder import embeddings_in_use
        from lib_ti.adapters.webui.txt2img import forget_conditioning

        with embeddings_in_use:
            self._read_embeddings()
            forget_conditioning()

    def _table(self, encoder: str) -> Tensor:
        return self._encoders()[encoder].table.detach()

    @abstractmethod
    def pending_model(self) -> str:
        """The name of the chosen checkpoint while it is not the loaded one; else ""."""
        ...

    @abstractmethod
    def _load_chosen(self) -> Any:
        """The chosen checkpoint's model, loaded where it is not, in a job of ours, as before each picture. Raises HostError."""
        ...

    @abstractmethod
    def _describe(self, sd_model: Any) -> ModelInfo:
        """Raises UnsupportedModel for what is none of SD1, SD2 and SDXL."""
        ...

    @abstractmethod
    def _find_encoders(self, sd_model: Any) -> dict[str, TextEncoder]:
        """By name; empty for models that are none of ours."""
        ...

    @abstractmethod
    def _validate_trainable(self, sd_model: Any) -> None:
        """Raises UnsupportedModel for what no gradient can be taken in, or HostError for a way of running it."""
        ...

    @abstractmethod
    def _databases(self, sd_model: Any) -> list[Any]:
        """The WebUI's tables of embeddings that prompts are read by."""
        ...

    @abstractmethod
    def _read_embeddings(self) -> None:
        """Have the WebUI read its folder anew, if it has done so before."""
        ...

    @abstractmethod
    def _placeholder(
        self, sd_model: Any, name: str, rows: int, vectors: Mapping[str, Tensor]
    ) -> AbstractContextManager[Any]:
        """For the time of one prompt `name` stands for `vectors` ([rows, D] by encoder), also where a file of that name is loaded.

        Yields the WebUI's object for it.
        """
        ...

    @abstractmethod
    def _ready_session(self, sd_model: Any, request: SessionRequest) -> AbstractContextManager[WebuiSession]:
        """The model made ready meanwhile."""
        ...
