"""The host inside A1111's WebUI and those that keep its model objects (`LatentDiffusion`, `DiffusionEngine`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from lib_ti.adapters.webui.host import WebuiHost
from lib_ti.adapters.webui.memory import manages_memory
from lib_ti.adapters.webui.model import TextEncoder, by_name, device_of, loaded_model, model_info, validate_plain
from lib_ti.adapters.webui.placeholder import registered
from lib_ti.errors import HostError
from lib_ti.host import ModelInfo, SessionRequest

if TYPE_CHECKING:
    from torch import Tensor

    from lib_ti.adapters.a1111.session import A1111Session


class A1111Host(WebuiHost):
    def pending_model(self) -> str:
        """The name of the chosen checkpoint where none is loaded or another is, as after Reload UI, which brings that of `--ckpt`
        back into the settings; the WebUI loads it with the next picture."""
        from modules import sd_models, shared

        sd_model, name = sd_models.model_data.sd_model, shared.opts.sd_model_checkpoint
        chosen = sd_models.checkpoint_aliases.get(name)
        if sd_model is None:
            return str(name or "the chosen checkpoint")
        if chosen is None or chosen.filename == sd_model.sd_checkpoint_info.filename:
            return ""
        return str(chosen.model_name)

    def _load_chosen(self) -> Any:
        from modules import sd_models, shared

        if shared.sd_model is not None:  # asking for it loads the first one
            try:
                sd_models.reload_model_weights()
            except Exception as error:  # of any kind, as its loaders are many
                name = shared.opts.sd_model_checkpoint
                raise HostError(f"The WebUI could not load {name}: {error}", "Choose another checkpoint.") from error
        return loaded_model()

    def _describe(self, sd_model: Any) -> ModelInfo:
        return model_info(sd_model, self._find_encoders(sd_model), getattr(sd_model, "parameterization", ""))

    def _find_encoders(self, sd_model: Any) -> dict[str, TextEncoder]:
        conditioner = getattr(sd_model, "conditioner", None)
        parts = [getattr(sd_model, "cond_stage_model", None)] if conditioner is None else list(conditioner.embedders)
        encoders = []
        for wrapper in parts:
            layer = _token_layer(wrapper)
            if layer is not None and hasattr(wrapper, "tokenize_line"):
                encoders.append(TextEncoder(wrapper, getattr(layer, "wrapped", layer).weight))
        return by_name(encoders)

    def _validate_trainable(self, sd_model: Any) -> None:
        from modules import shared

        plain = sd_model.model.conditioning_key == "crossattn"
        validate_plain(sd_model, sd_model.model.diffusion_model.in_channels, plain)
        if getattr(shared.cmd_opts, "lowvram", False) and not manages_memory(sd_model):
            raise HostError(
                "With --lowvram the WebUI moves the UNet through memory piece by piece, so that no gradient can be taken.",
                "Start the WebUI with --medvram or without either.",
            )

    def _databases(self, sd_model: Any) -> list[Any]:
        from modules.sd_hijack import model_hijack

        return [model_hijack.embedding_db]

    def _read_embeddings(self) -> None:
        from modules import sd_models
        from modules.sd_hijack import model_hijack

        if sd_models.model_data.sd_model is not None:  # a model that is loaded later reads the folder then
            model_hijack.embedding_db.load_textual_inversion_embeddings(force_reload=True)

    @contextmanager
    def _placeholder(self, sd_model: Any, name: str, rows: int, vectors: Mapping[str, Tensor]) -> Iterator[Any]:
        from modules.sd_hijack import model_hijack
        from modules.textual_inversion.textual_inversion import Embedding

        values = {key: matrix.to(device_of(sd_model, "clip", matrix.device)) for key, matrix in vectors.items()}
        embedding = Embedding(next(iter(values.values())) if len(values) == 1 else values, name)
        embedding.vectors = rows
        embedding.shape = sum(tensor.shape[1] for tensor in values.values())
        database = model_hijack.embedding_db
        ids = sd_model.cond_stage_model.tokenize([name])[0]
        with registered(database, lambda: database.register_embedding(embedding, sd_model), name, ids):
            yield embedding

    @contextmanager
    def _ready_session(self, sd_model: Any, request: SessionRequest) -> Iterator[A1111Session]:
        from lib_ti.adapters.a1111.session import A1111Session, model_ready

        with model_ready(sd_model, request.checkpointing, request.networks):
            encoders = [encoder.wrapper for encoder in self._find_encoders(sd_model).values()]
            placeholders = partial(self._placeholders, sd_model)
            session = A1111Session(sd_model, self._describe(sd_model), encoders, placeholders, request)
            with closing(session):
                yield session


def _token_layer(wrapper: Any) -> Any:
    inner: Any = getattr(wrapper, "wrapped", None)
    text_model = getattr(getattr(inner, "transformer", None), "text_model", None)
    if text_model is not None:
        return text_model.embeddings.token_embedding
    return getattr(getattr(inner, "model", None), "token_embedding", None)
