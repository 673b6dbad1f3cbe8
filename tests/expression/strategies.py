"""Random expressions, as people may write them and as they may mistype them."""

from hypothesis import strategies as st

_TEXTS = st.one_of(
    st.sampled_from(
        ["cat", "Cat  DOG", "", " ", "it''s", "a, b", ">, <''", "(a:1.5)", "mine", "line\nline", "é 猫 😀"]
    ),
    st.text(max_size=8).map(lambda text: text.replace("'", "''")),
)
_SPACES = st.sampled_from(["", "", "", " ", "\n", "  "])
_STRINGS = _TEXTS.map(lambda text: f"'{text}'")
_NUMBERS = st.one_of(
    st.sampled_from(["2", "-1", "+.5", "0.25", "1e3", "-2.5e-2", "00.10", ".5"]),
    st.floats(0.01, 100).map(repr),
)
_TOKENS = st.one_of(st.sampled_from(["0", "00", "000", "0000", "49407"]), st.integers(1, 49407).map(str))
_FACTORS = st.tuples(st.sampled_from("*/"), _SPACES, _NUMBERS, st.sampled_from(["", "", "L", "G"])).map("".join)
_ROWS = st.tuples(st.sampled_from([":", ":+", ":-", ": + "]), st.integers(0, 90).map(str)).map("".join)
_FOLDED = st.tuples(st.sampled_from(["", "", "="]), _SPACES, _FACTORS | _ROWS).map("".join)
_APPENDED = st.tuples(st.just(","), _SPACES, _STRINGS | _TOKENS).map("".join)
_POSTFIXES = st.lists(st.one_of(_FOLDED, _APPENDED, st.sampled_from(["@L", "@ G"])), max_size=3).map("".join)
_SIGNS = st.sampled_from(["+", "-", " + ", "- -", "+-", "\n- "])


def _sums(terms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operand = st.tuples(terms, _SPACES, _POSTFIXES).map("".join)
    tail = st.lists(st.tuples(_SIGNS, operand).map("".join), max_size=3).map("".join)
    return st.tuples(st.sampled_from(["", "", "-", " - "]), operand, tail).map("".join)


EXPRESSIONS = _sums(st.recursive(_STRINGS, lambda inner: _sums(inner).map("({})".format), max_leaves=4))

_MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["delete", "insert", "replace", "double"]),
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(list("'\"+-*/:,=@()LG0123456789. eax<>{}‘\n")) | st.characters(),
    ),
    min_size=1,
    max_size=4,
)


def _mutate(text: str, mutations: list[tuple[str, float, str]]) -> str:
    for kind, where, character in mutations:
        at = int(where * (len(text) + 1))
        match kind:
            case "delete":
                text = text[:at] + text[at + 1 :]
            case "insert":
                text = text[:at] + character + text[at:]
            case "replace":
                text = text[:at] + character + text[at + 1 :]
            case _:
                text = text[: at + 5] + text[at:]
    return text


MUTATED = st.builds(_mutate, EXPRESSIONS, _MUTATIONS)
