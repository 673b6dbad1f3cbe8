"""The host inside A1111's WebUI and those that keep its model objects (`LatentDiffusion`, `DiffusionEngine`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib_ti.adapters.ldm.model import describe, find_encoders, loaded_model, prove_trainable, token_text
from lib_ti.errors import HostError
from lib_ti.host import ImageRequest, ModelInfo, SessionRequest

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from lib_ti.adapters.ldm.session import LdmSession


class LdmHost:
    def model(self) -> ModelInfo:
        return describe(loaded_model())

    def tokenize(self, text: str) -> list[int]:
        encoder = next(iter(find_encoders(loaded_model()).values()))
        return list(encoder.wrapper.tokenize([text])[0])

    def token_text(self, token_id: int) -> str:
        return token_text(find_encoders(loaded_model()), token_id)

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

        return [Path(shared.cmd_opts.textual_inversion_templates_dir)]

    def refresh_embeddings(self) -> None:
        from modules import sd_models
        from modules.sd_hijack import model_hijack

        from lib_ti.adapters.ldm.placeholder import embeddings_in_use
        from lib_ti.adapters.webui.picture import forget_conditioning

        with embeddings_in_use:
            if sd_models.model_data.sd_model is not None:  # a model that is loaded later reads the folder then
                model_hijack.embedding_db.load_textual_inversion_embeddings(force_reload=True)
            forget_conditioning()

    @contextmanager
    def training_session(self, request: SessionRequest) -> Iterator[LdmSession]:
        from modules import sd_models

        from lib_ti.adapters.ldm.ready import model_ready
        from lib_ti.adapters.ldm.session import LdmSession
        from lib_ti.adapters.webui.job import exclusive

        with ExitStack() as stack:
            stack.enter_context(exclusive(f"Train {request.placeholder}"))
            sd_models.reload_model_weights()  # the chosen checkpoint, as before each picture
            sd_model = loaded_model()
            prove_trainable(sd_model)
            stack.enter_context(model_ready(sd_model, request.checkpointing))
            session = LdmSession(sd_model, request)
            stack.callback(session.close)
            yield session

    def generate(self, request: ImageRequest, extra: Mapping[str, Mapping[str, Tensor]] | None = None) -> Image:
        from modules import sd_models

        from lib_ti.adapters.webui.job import exclusive
        from lib_ti.adapters.webui.picture import generate

        with exclusive("Picture"), ExitStack() as stack:
            sd_models.reload_model_weights()
            sd_model = loaded_model()
            if extra:
                self.refresh_embeddings()  # now, for the WebUI would do it in mid-picture and lose the extra ones
                stack.enter_context(self._placeholders(extra))
            image = generate(sd_model, request, describe(sd_model).native_size, in_training=False)
        if image is None:
            raise HostError("The picture was interrupted.")
        return image

    @contextmanager
    def prompt_words(self, extra: Mapping[str, Mapping[str, Tensor]]) -> Iterator[None]:
        """Meanwhile the words `extra` stand in the WebUI's prompts for their vectors, [V, D] by encoder, V from 1 to 75.

        For the time in which a job encodes its prompts, in that job's own thread. The words are in no list and in no file,
        and leave no trace in an infotext. Raises HostError at the end where the WebUI has read its embeddings anew
        meanwhile: what was encoded may lack the words, and is not kept.
        """
        from modules.sd_hijack import model_hijack

        from lib_ti.adapters.webui.picture import forget_conditioning

        with self._placeholders(extra) as ours:
            yield
            known = model_hijack.embedding_db.word_embeddings
            if any(known.get(name) is not embedding for name, embedding in ours.items()):
                forget_conditioning()
                raise HostError("The list of embeddings was refreshed while a prompt was read.", "Generate again.")

    @contextmanager
    def _placeholders(self, extra: Mapping[str, Mapping[str, Tensor]]) -> Iterator[dict[str, Any]]:
        """The WebUI's objects for the words `extra`, by word."""
        from modules import devices

        from lib_ti.adapters.ldm.placeholder import placeholder

        with ExitStack() as stack:
            ours = {}
            for name, vectors in extra.items():
                placed = {key: matrix.to(devices.device) for key, matrix in vectors.items()}
                rows = len(next(iter(placed.values())))
                ours[name] = stack.enter_context(placeholder(loaded_model(), name, rows, placed))
            yield ours

    def samplers(self) -> list[str]:
        from lib_ti.adapters.webui.picture import sampler_names

        return sampler_names()

    def captioners(self) -> list[str]:
        from lib_ti.adapters.webui.captions import CAPTIONERS

        return list(CAPTIONERS)

    def caption(self, image: Image, name: str) -> str:
        from lib_ti.adapters.webui.captions import caption

        return caption(image, name)

    def find_faces(self, image: Image) -> list[tuple[float, float]] | None:
        from lib_ti.adapters.webui.captions import find_faces

        return find_faces(image)

    def _table(self, encoder: str) -> Tensor:
        return find_encoders(loaded_model())[encoder].table.detach()
