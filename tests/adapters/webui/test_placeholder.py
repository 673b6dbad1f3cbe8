"""A user loses: embeddings whose names begin with the same word, once one of them has been trained."""

from types import SimpleNamespace
from typing import Any

from lib_ti.adapters.webui.placeholder import registered


class Database:
    """As the WebUI's: `+=` changes the list of candidates before a sorted one takes its place."""

    def __init__(self) -> None:
        self.word_embeddings: dict[str, Any] = {}
        self.ids_lookup: dict[int, list[Any]] = {}

    def register(self, name: str, ids: list[int]) -> Any:
        embedding = SimpleNamespace(name=name)
        lookup = self.ids_lookup.setdefault(ids[0], [])
        if name in self.word_embeddings:
            lookup = [entry for entry in lookup if entry[1].name != name]
        lookup += [(ids, embedding)]
        self.ids_lookup[ids[0]] = sorted(lookup, key=lambda entry: len(entry[0]), reverse=True)
        self.word_embeddings[name] = embedding
        return embedding


def test_nothing_stays_behind_whatever_else_begins_with_its_first_token() -> None:
    database = Database()
    other = database.register("my-cat", [1, 2, 3])
    for name, ids in (("my-dog", [1, 2, 4]), ("my-cat", [1, 2, 3]), ("zebra", [9])):
        words, lookup = (
            dict(database.word_embeddings),
            {token: list(found) for token, found in database.ids_lookup.items()},
        )
        for _ in range(3):
            with registered(database, lambda name=name, ids=ids: database.register(name, ids), name, ids):
                assert database.word_embeddings[name] is not other
                assert [found for found in database.ids_lookup[ids[0]] if found[1] is database.word_embeddings[name]]
        assert database.word_embeddings == words
        assert database.ids_lookup == lookup


def test_of_one_name_in_two_cases_a_prompt_finds_the_one_in_training() -> None:
    """To the tokenizer they are one: the file made in mid-run would win, and the vectors in training be nowhere."""
    database = Database()
    other = database.register("My-Cat", [1, 2, 3])
    with registered(database, lambda: database.register("my-cat", [1, 2, 3]), "my-cat", [1, 2, 3]):
        assert [entry[1].name for entry in database.ids_lookup[1]] == ["my-cat"]
    assert database.ids_lookup == {1: [([1, 2, 3], other)]}
    assert list(database.word_embeddings) == ["My-Cat"]
