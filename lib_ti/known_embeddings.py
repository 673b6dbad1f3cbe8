"""The embeddings that expressions and prompts know, kept from one request to the next.

Pages, API and jobs are threads of their own: a whole is put in place, and what was looked at is what is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lib_ti.host import Host, ModelInfo

if TYPE_CHECKING:
    from lib_ti.expression.evaluate import Dictionary
    from lib_ti.library.listing import Entry, FolderEmbeddings, Library


class KnownEmbeddings:
    """Of one host. `quick`, wherever it is asked for, gives what was given last time where nothing has changed since."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._library: Library | None = None
        self._found: tuple[list[Entry], ModelInfo, FolderEmbeddings] | None = None
        self._words: tuple[tuple[str, ...], Dictionary] | None = None

    def entries(self, folder: Path, quick: bool = False) -> list[Entry]:
        """One a file of `folder` and of those in it, by their headers."""
        from lib_ti.library.listing import Library

        self._library = self._library or Library()
        return self._library.entries(folder, self.host.log_folder(), quick)

    def by_name(self, quick: bool = False) -> FolderEmbeddings:
        """Those of the host's own folder, as the loaded model takes them."""
        from lib_ti.library.listing import FolderEmbeddings

        entries, model = self.entries(self.host.embeddings_folder(), quick), self.host.model()
        kept = self._found
        if kept is None or kept[0] is not entries or kept[1] != model:
            kept = self._found = entries, model, FolderEmbeddings(entries, model)
        return kept[2]

    def dictionary(self, known: FolderEmbeddings) -> Dictionary:
        """Kept while the names stay the same, for reading them takes longer than all the rest of a check."""
        from lib_ti.expression.evaluate import Dictionary

        kept = self._words
        if kept is None or kept[0] != known.names:
            kept = self._words = known.names, Dictionary(self.host.tokenize, known.names)
        return kept[1]
