"""Evaluation: a user would get other vectors than the expression says, or lose the place of a fault."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from PIL import Image, ImageChops

from lib_ti.adapters.detect import open_standalone
from lib_ti.app import App
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import InvalidEmbedding, InvalidText
from lib_ti.expression.evaluate import Dictionary, Rows, evaluate
from lib_ti.expression.parser import parse_expression
from lib_ti.host import Family, ImageRequest, TextModel
from lib_ti.merge.vectors import Vectors, build_embedding, evaluate_expression, evaluate_prompts
from tests.expression.strategies import EXPRESSIONS, MUTATED
from tests.merge.text_model import PADDING, SmallTextModel
from tests.toy_host import ToyHost

CAT, DOG = 2368, 1929
HOSTS = {family: SmallTextModel(family) for family in ("sd1", "sd2", "sdxl")}  # type: ignore[arg-type]

Row = torch.Tensor
Expected = Callable[[Callable[[int | str], Row], Callable[[str], list[Row]]], list[Any]]

# Of each case: what the rows are, from e (the vector of an id or one-token word) and t (all vectors of a text); 0 is a zero row.
CASES: list[tuple[str, Expected]] = [
    ("'Cat  DOG'", lambda e, t: [e(CAT), e(DOG)]),
    ("''", lambda e, t: []),
    ("' '", lambda e, t: []),
    ("'a'-'b'-'c'", lambda e, t: [e("a") - e("b") - e("c")]),
    ("'one two'-'cat'", lambda e, t: [e("one") - e(CAT), e("two")]),
    ("'cat'-'one two'", lambda e, t: [e(CAT) - e("one"), -e("two")]),
    ("''-'road'-'grass'", lambda e, t: [-e("road") - e("grass")]),
    ("'cat'*2/4", lambda e, t: [0.5 * e(CAT)]),
    ("'cat'*1,5", lambda e, t: [e(CAT), e(5)]),
    ("'a'+'b'*2", lambda e, t: [e("a") + 2 * e("b")]),
    ("'a'+'b'=*0.5", lambda e, t: [(e("a") + e("b")) / 2]),
    ("'a'+'b' =* 0.5 + 'c'*0 + 'd'*-1", lambda e, t: [e("a") / 2 + e("b") / 2 - e("d")]),
    (
        "'greg rutkowski'/4+'gustav dore'*0.75",
        lambda e, t: [
            (0 if i >= len(t("greg rutkowski")) else t("greg rutkowski")[i] / 4)
            + (0 if i >= len(t("gustav dore")) else t("gustav dore")[i] * 0.75)
            for i in range(3)
        ],
    ),
    ("'one two three':2", lambda e, t: [e("one"), e("two")]),
    ("'one two three':5", lambda e, t: [e("one"), e("two"), e("three"), 0, 0]),
    ("'':1", lambda e, t: [0]),
    ("'one two three':+1", lambda e, t: [e("three"), e("one"), e("two")]),
    ("'one two three':-1", lambda e, t: [e("two"), e("three"), e("one")]),
    ("'one two three':+4", lambda e, t: [e("three"), e("one"), e("two")]),
    ("'one':4:+2", lambda e, t: [0, 0, e("one"), 0]),
    ("'one':+2:4", lambda e, t: [e("one"), 0, 0, 0]),
    ("'artstation' + 'artstation' :4 :+2", lambda e, t: t("artstation") * 2),
    ("'artstation','artstation'", lambda e, t: t("artstation") * 2),
    (
        "'kuvshinov' + 'kuvshinov':-1 + 'kuvshinov':-2 + 'kuvshinov':-3 =: 1",
        lambda e, t: [torch.stack(t("kuvshinov")).sum(0)],
    ),
    (
        "'close-up',00,00 + 'out-of-frame' + 'cropped',00,00,00,00",
        lambda e, t: [
            first + second + third
            for first, second, third in zip(
                [*t("close-up"), e("pad"), e("pad")],
                t("out-of-frame"),
                [e("cropped"), *[e("pad")] * 4],
                strict=True,
            )
        ],
    ),
    ("'bad anatomy,':0", lambda e, t: []),
    ("'cat', 'dog', 256 , 'a'", lambda e, t: [e(CAT), e(DOG), e(256), e(320)]),
    ("'a''b'", lambda e, t: t("a'b")),
    ("'(a:1.5)'", lambda e, t: t("(a:1.5)")),
    ("'a BREAK b'", lambda e, t: t("a break b")),
    ("'<x>'", lambda e, t: t("<x>")),
    ("'cat':3:+1", lambda e, t: [0, e(CAT), 0]),
    ("'',0,00,000,0000", lambda e, t: [e(0), e("pad"), e(49407), e(49406)]),
    # the rules beside the table
    ("'a'+'b'=*2", lambda e, t: [2 * (e("a") + e("b"))]),
    ("'a'+'b'*3=*2", lambda e, t: [2 * (e("a") + 3 * e("b"))]),
    ("'a'+'b'=*2+'c'", lambda e, t: [2 * (e("a") + e("b")) + e("c")]),
    ("'a','b'*2", lambda e, t: [2 * e("a"), 2 * e("b")]),
    ("'a'*2,'b'", lambda e, t: [2 * e("a"), e("b")]),
    ("'a'+'b','c'", lambda e, t: [e("a") + e("b"), e("c")]),
    ("'a'+'b'=*1,'c'", lambda e, t: [e("a") + e("b"), e("c")]),
    ("('a'+'b')*2,'c'", lambda e, t: [2 * (e("a") + e("b")), e("c")]),
    ("-'a','b'", lambda e, t: [-e("a"), -e("b")]),
    ("-'a'=*1,'b'", lambda e, t: [-e("a"), e("b")]),
    ("'a'-('b'-'c')", lambda e, t: [e("a") - e("b") + e("c")]),
    ("'cat'*1e3", lambda e, t: [1000 * e(CAT)]),
]
ROWS = {
    "'a''b'": 3,
    "'(a:1.5)'": 7,
    "'a BREAK b'": 3,
    "'<x>'": 3,
    "'close-up',00,00 + 'out-of-frame' + 'cropped',00,00,00,00": 5,
}


def merged(text: str, host: TextModel, embeddings: Mapping[str, Embedding] | None = None) -> Vectors:
    return evaluate_expression(parse_expression(text), host, embeddings or {})


def from_table(expected: Expected, host: TextModel, encoder: str) -> torch.Tensor:
    table = host.all_token_vectors(encoder)

    def e(token: int | str) -> Row:
        if token == "pad":
            return table[host.model().encoder(encoder).padding_id]
        (token_id,) = host.tokenize(token) if isinstance(token, str) else [token]
        return table[token_id]

    rows = expected(e, lambda text: [table[token] for token in host.tokenize(text)])
    return torch.stack([torch.zeros(table.shape[1]) + row for row in rows]) if rows else table[:0]


def check_case(text: str, expected: Expected, host: TextModel) -> None:
    vectors = merged(text, host)
    assert list(vectors) == [encoder.name for encoder in host.model().encoders]
    for encoder, matrix in vectors.items():
        assert matrix.dtype == torch.float32
        torch.testing.assert_close(matrix, from_table(expected, host, encoder), rtol=1e-5, atol=1e-5)
        assert len(matrix) == ROWS.get(text, len(matrix))


@pytest.mark.parametrize("family", HOSTS)
@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_cases(text: str, expected: Expected, family: str) -> None:
    check_case(text, expected, HOSTS[family])


@pytest.mark.parametrize(
    ("text", "clip_l", "clip_g"),
    [
        ("'cat'*2L*3G", lambda e, t: [2 * e(CAT)], lambda e, t: [3 * e(CAT)]),
        ("'cat'*0G+'dog'*0L", lambda e, t: [e(CAT)], lambda e, t: [e(DOG)]),
        ("'cat'@L+'dog'@G", lambda e, t: [e(CAT)], lambda e, t: [e(DOG)]),
        ("'cat'/4G", lambda e, t: [e(CAT)], lambda e, t: [e(CAT) / 4]),
        ("'cat dog'@G", lambda e, t: [0, 0], lambda e, t: [e(CAT), e(DOG)]),
        ("'',00", lambda e, t: [e(49407)], lambda e, t: [e(0)]),
    ],
)
def test_cases_of_two_encoders(text: str, clip_l: Expected, clip_g: Expected) -> None:
    vectors = merged(text, HOSTS["sdxl"])
    torch.testing.assert_close(vectors["clip_l"], from_table(clip_l, HOSTS["sdxl"], "clip_l"))
    torch.testing.assert_close(vectors["clip_g"], from_table(clip_g, HOSTS["sdxl"], "clip_g"))


@pytest.mark.parametrize(("family", "padding"), [("sd1", 49407), ("sd2", 0)])
def test_padding_is_the_encoders_own(family: str, padding: int) -> None:
    ((encoder, matrix),) = merged("'',00", HOSTS[family]).items()
    assert PADDING[encoder] == padding
    assert torch.equal(matrix[0], HOSTS[family].tables[encoder][padding])


def embedding(name: str, rows: int, family: Family = "sd1") -> Embedding:
    widths = HOSTS[family].widths
    return Embedding(
        name, {key: torch.full((rows, width), float(rows)) for key, width in widths.items()}, family=family
    )


def test_embeddings_stand_for_their_vectors() -> None:
    known = {"mine": embedding("mine", 2), "mine too": embedding("mine too", 3)}
    host = HOSTS["sd1"]
    cat = host.tables["clip_l"][CAT]
    expected = torch.cat([cat[None], torch.full((3, 24), 3.0), torch.full((2, 24), 2.0)])
    assert torch.equal(merged("'Cat mine TOO MINE'", host, known)["clip_l"], expected)
    assert torch.equal(merged("'mine'*2-'mine'", host, known)["clip_l"], known["mine"].vectors["clip_l"])
    assert torch.equal(known["mine"].vectors["clip_l"], torch.full((2, 24), 2.0))


def test_a_long_embedding_can_be_read_and_cropped() -> None:
    known = {"long": embedding("long", 100)}
    assert len(merged("'long'", HOSTS["sd1"], known)["clip_l"]) == 100
    assert len(merged("'long':75", HOSTS["sd1"], known)["clip_l"]) == 75


class Folder(dict[str, Embedding]):
    """As a host's list of files: a name may be listed whose file is broken, or gone."""

    def __missing__(self, name: str) -> Embedding:
        raise {"flat": InvalidEmbedding("'flat' has a tensor of shape 12 for clip_l.", "Convert it.")}.get(
            name, KeyError(name)
        )

    def __iter__(self) -> Any:
        return iter(["mine", "flat", "gone"])


@pytest.mark.parametrize(
    ("family", "text", "operand", "says"),
    [
        ("sdxl", "'cat'+'my mine'*2", "'my mine'", ["'mine'", "clip_l 24", "clip_g 40", "SDXL", "Load a checkpoint"]),
        ("sd2", "'cat','mine'", "'mine'", ["clip_l 24", "clip_h 32"]),
        ("sd1", "'cat'*2+'flat'", "'flat'", ["shape 12 for clip_l", "Convert it"]),
        ("sd1", "'a gone'", "'a gone'", ["'gone'", "Refresh"]),
    ],
)
def test_embeddings_that_cannot_be_used_are_refused_before_any_arithmetic(
    family: str, text: str, operand: str, says: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = SmallTextModel(family)  # type: ignore[arg-type]
    monkeypatch.setattr(host, "token_vectors", None)  # arithmetic would need it
    with pytest.raises(InvalidText) as caught:
        merged(text, host, Folder(mine=embedding("mine", 2)))
    assert text[caught.value.start : caught.value.end] == operand
    assert all(word in str(caught.value) for word in says), str(caught.value)


def test_numbers_past_float32_are_an_error_and_no_embedding() -> None:
    with pytest.raises(InvalidText, match="too large in clip_l"):
        merged("'cat'*1e30*1e30", HOSTS["sd1"])


def test_the_result_knows_its_recipe() -> None:
    text = "'cat'*0.5+'mine'"
    mine = embedding("mine", 2)
    result = build_embedding(parse_expression(text), "mix", HOSTS["sd1"], {"mine": mine})
    assert (result.name, result.family, result.model_name, result.model_hash) == ("mix", "sd1", "small", "0123456789")
    assert result.recipe == {"source": "expression", "expression": text, "embeddings": {"mine": mine.digest}}
    assert result.rows == 2


def test_an_empty_result_is_no_embedding() -> None:
    with pytest.raises(InvalidText, match="no rows"):
        build_embedding(parse_expression("'cat':0"), "mix", HOSTS["sd1"], {})


KNOWN = {family: {"mine": embedding("mine", 3, family)} for family in ("sd1", "sdxl")}  # type: ignore[arg-type]


def check_random(text: str) -> None:
    """Our error, or a value of as many rows as are counted."""
    for family, known in KNOWN.items():
        host = HOSTS[family]
        encoders = list(host.widths)
        dictionary = Dictionary(host.tokenize, known)
        try:
            expression = parse_expression(text)
            vectors = evaluate_expression(expression, host, known, dictionary)
        except InvalidText:
            continue
        else:
            rows = evaluate(expression, Rows({"mine": 3}.__getitem__, encoders), dictionary)
            assert {name: tuple(matrix.shape) for name, matrix in vectors.items()} == {
                name: (rows, width) for name, width in host.widths.items()
            }


@given(EXPRESSIONS)
@settings(max_examples=100, deadline=None)
def test_expressions_give_as_many_rows_as_are_counted(text: str) -> None:
    check_random(text)


@given(MUTATED)
@settings(max_examples=100, deadline=None)
def test_slips_give_our_error_or_a_value(text: str) -> None:
    check_random(text)


@pytest.mark.slow
@given(EXPRESSIONS)
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
def test_ten_thousand_expressions(text: str) -> None:
    check_random(text)


@pytest.mark.slow
@given(MUTATED)
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
def test_ten_thousand_slips(text: str) -> None:
    check_random(text)


def in_prompts(
    host: ToyHost, prompt: str, negative: str = ""
) -> tuple[ImageRequest, dict[str, dict[str, torch.Tensor]]]:
    return evaluate_prompts(ImageRequest(prompt, negative), host, {}, Dictionary(host.tokenize, []))


def test_an_expression_becomes_a_placeholder_for_its_vectors(tmp_path: Path) -> None:
    host = ToyHost(tmp_path, "sdxl")
    request, placed = in_prompts(host, "a photo of <'cat'*0.5+'dog'>, (big:1.2)", "{'fog'}")
    first, second = placed
    assert request.prompt.split() == ["a", "photo", "of", first, ",", "(big:1.2)"]
    assert request.negative.strip() == second
    for encoder in ("clip_l", "clip_g"):
        cat, dog = (host.token_vectors(host.tokenize(word), encoder) for word in ("cat", "dog"))
        torch.testing.assert_close(placed[first][encoder], cat * 0.5 + dog)


def test_rows_beyond_a_chunk_are_split_and_none_are_nothing(tmp_path: Path) -> None:
    request, placed = in_prompts(ToyHost(tmp_path), "<'cat':80> and <''>")
    assert [len(vectors["clip_l"]) for vectors in placed.values()] == [75, 5]
    assert request.prompt.split() == [*placed, "and"]


def test_a_placeholder_is_named_after_its_numbers(tmp_path: Path) -> None:
    """Hosts keep encoded prompts by their text, over a change of the model and of the files behind names."""
    host = ToyHost(tmp_path)
    names = [[*in_prompts(host, f"<{text}>")[1]] for text in ("'cat'", "'cat'*1", "'dog'")]
    assert names[0] == names[1] != names[2]
    host.tables["clip_l"] *= 2
    assert [*in_prompts(host, "<'cat'>")[1]] != names[0]


def test_a_fault_shows_its_place(tmp_path: Path) -> None:
    with pytest.raises(InvalidText, match=r"\^"):
        in_prompts(ToyHost(tmp_path), "a <'cat'**2>")


def test_a_word_typed_as_an_expression_gives_the_words_own_picture(tmp_path: Path) -> None:
    app = App(open_standalone("demo", "cpu", "fp32", tmp_path, tmp_path / "logs"))

    def picture(prompt: str) -> Image.Image:
        return app.generate(ImageRequest(prompt, steps=2, cfg=3.0, seed=1))

    plain = picture("a red circle")
    same = ImageChops.difference(plain, picture("a <'red'> circle"))
    other = ImageChops.difference(plain, picture("a <'red'*0+'blue'> circle"))
    assert max(high for _, high in same.getextrema()) <= 1
    assert max(high for _, high in other.getextrema()) > 30
