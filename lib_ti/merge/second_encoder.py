"""What SDXL's second encoder is to read where an embedding of SD1 says nothing: a text's vectors."""

from collections.abc import Mapping

import torch

from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import HostError
from lib_ti.expression.nodes import Crop, Expression, Text, chain_of
from lib_ti.host import TextModel
from lib_ti.merge.evaluate import evaluate_expression


def clip_g_of(text: str, rows: int, host: TextModel, embeddings: Mapping[str, Embedding]) -> torch.Tensor:
    """[rows, D]: the expression `'text':rows` in clip_g, cut off or filled up with zeros. Raises HostError without SDXL."""
    model = host.model()
    if model.family != "sdxl":
        raise HostError(
            f"The model {model.name!r} has no clip_g to read {text!r} with.",
            "Load an SDXL checkpoint, or leave the text out.",
        )
    expression = Expression(chain_of(Text(text), (Crop(rows),)), text)
    return evaluate_expression(expression, host, embeddings)["clip_g"]
