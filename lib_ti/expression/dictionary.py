"""What quoted texts mean: token ids, with the names of embeddings among them."""

from collections.abc import Callable, Iterable, Sequence

Piece = int | str | None
"""A token by its id, an embedding by its name, or (None) the encoder's own padding token."""


class Dictionary:
    """`names` are the embeddings that texts may hold. Building one reads every name, so keep it while these stay the same."""

    def __init__(self, tokenize: Callable[[str], Sequence[int]], names: Iterable[str] = ()) -> None:
        self._tokenize = tokenize
        self._names: dict[int, list[tuple[tuple[int, ...], str]]] = {}
        for name in names:
            if ids := tuple(tokenize(name.lower())):
                self._names.setdefault(ids[0], []).append((ids, name))
        for candidates in self._names.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))

    def read(self, text: str) -> list[Piece]:
        """Hosts look for names in the tokens, not in the letters: the longest first, and without word boundaries."""
        ids = tuple(self._tokenize(text.lstrip().lower()))
        pieces: list[Piece] = []
        index = 0
        while index < len(ids):
            found = next((c for c in self._names.get(ids[index], ()) if ids[index : index + len(c[0])] == c[0]), None)
            pieces.append(found[1] if found else ids[index])
            index += len(found[0]) if found else 1
        return pieces
