"""A user would lose: how an embedding was made, read at a glance; and a list, when a stranger's file says nonsense there."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.embedding.recipe import describe_recipe, remake_obstacle, used_embeddings

MERGE = {"source": "expression", "expression": "'cat'*0.5+'dog'"}


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({}, ""),
        (MERGE, "'cat'*0.5+'dog'"),
        (
            {**MERGE, "edits": {"arc_to": "'red'", "share": 0.5, "drop_zeros": True, "collapse": True, "length": -1}},
            "'cat'*0.5+'dog', 0.5 of the way to 'red', zero vectors dropped, collapsed to one vector, as long as the vocabulary's",
        ),
        ({**MERGE, "edits": {"length": 2.0}, "part": "2 of 3"}, "'cat'*0.5+'dog', length 2.0, part 2 of 3"),
        ({**MERGE, "cropped": 75}, "'cat'*0.5+'dog', cropped to 75"),
        ({"source": "text", "init": "a cat"}, "text 'a cat'"),
        ({"source": "embedding", "file": "x.pt"}, "rows of x.pt"),
        ({"source": "zeros"}, "zeros"),
        ({"source": "random", "seed": 3}, "random, seed 3"),
        ({"training": {"embedding.init": "toy"}, "pictures": 1}, "trained on 1 picture from text 'toy'"),
        (
            {"training": {"embedding.init": "*"}, "pictures": 8, "start": MERGE},
            "trained on 8 pictures from 'cat'*0.5+'dog'",
        ),
        ({"source": "conversion", "from": "SD1", "recipe": MERGE}, "converted from SD1: 'cat'*0.5+'dog'"),
        ({"source": "something new"}, ""),
        ({"source": "expression", "expression": "'a'\n\x1b[31m'b'"}, "'a'  [31m'b'"),
    ],
)
def test_it_is_told_in_a_line(recipe: dict[str, Any], words: str) -> None:
    assert describe_recipe(recipe) == words


def test_a_long_one_is_cut() -> None:
    told = describe_recipe({"source": "expression", "expression": "'x'," * 1000})
    assert len(told) == 300
    assert told.endswith("…")


KEYS = st.sampled_from(
    [
        "source",
        "edits",
        "embeddings",
        "arc_to",
        "length",
        "part",
        "training",
        "start",
        "recipe",
        "init",
        "pictures",
        "expression",
        "embedding.init",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, JSON | st.sampled_from(["text", "expression", "conversion", "embedding"])))
def test_nonsense_is_no_fault(recipe: dict[str, Any]) -> None:
    assert describe_recipe(recipe).isprintable()
    assert all(isinstance(name, str) for name in used_embeddings(recipe))
    remake_obstacle(recipe)
