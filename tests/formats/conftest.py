"""Fixtures of two embeddings, and real files."""

from tests.embeddings import data, sd1, sdxl

__all__ = ["data", "sd1", "sdxl"]
