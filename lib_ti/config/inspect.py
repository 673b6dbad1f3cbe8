"""What to look at, and what to hold beside it."""

from dataclasses import dataclass

from lib_ti.config.option import option

SOURCES = ("embedding", "typed")
GROUPINGS = ("none", "comma", "parts", "words", "tokens", "vectors")


@dataclass(frozen=True)
class InspectConfig:
    source: str = option("embedding", "Look at", "embedding: a file; typed: a text or an expression.", choices=SOURCES)
    file: str = option("", "Embedding", "One of the embeddings folder, or the path of any other file.")
    typed: str = option("", "Text or expression", "What begins with a quote is an expression: 'cat'*0.5 + 'dog'.")
    by: str = option(
        "vectors", "A line for each of", "none: all in one. Files know of vectors alone.", choices=GROUPINGS
    )
    other: str = option("", "Compare with", "Another embedding, a path, or an expression in quotes; empty for none.")
    same_as: str = option("", "Same as this text?", "Asks the model whether both mean the same; empty for no.")
