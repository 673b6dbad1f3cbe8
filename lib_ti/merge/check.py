"""What an expression would give, while it is typed: no vectors are computed, no model and no torch is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass

from lib_ti.embedding.fit import match_encoders
from lib_ti.errors import InvalidText
from lib_ti.expression.advice import Advice, advise, advise_rows
from lib_ti.expression.evaluate import Dictionary, Rows, evaluate
from lib_ti.expression.parser import parse_expression
from lib_ti.formats.files import Header
from lib_ti.host import ModelInfo


@dataclass(frozen=True)
class Check:
    """`rows` of the result, or else the `error` that stands in its way."""

    rows: int | None
    advice: tuple[Advice, ...] = ()
    error: InvalidText | None = None


def check_expression(text: str, model: ModelInfo, headers: Mapping[str, Header], dictionary: Dictionary) -> Check:
    """`headers` of the embeddings by name, which `dictionary` knows too."""

    def rows_of(name: str) -> int:
        header = headers[name]
        match_encoders(name, header.family, header.widths, model)
        return header.rows

    try:
        expression = parse_expression(text)
        rows = evaluate(expression, Rows(rows_of, [encoder.name for encoder in model.encoders]), dictionary)
    except InvalidText as error:
        return Check(None, error=error)
    return Check(rows, (*advise(expression, list(headers)), *advise_rows(rows)))
