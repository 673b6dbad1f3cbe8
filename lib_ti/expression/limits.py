"""How much an expression may be. Far above what people write, low enough that no text can stall or fill the host."""

CHARACTERS = 50_000
NESTING = 100
"""Brackets inside brackets; `=` counts as a pair around everything to its left."""
ROWS = 1_024
CHUNK_ROWS = 75
"""What one embedding may have in a prompt: a chunk holds 75 tokens and an embedding never spans two."""
VOCABULARY = 49_408
START, END = 49_406, 49_407
DIGITS = 9
"""Of a whole number."""
