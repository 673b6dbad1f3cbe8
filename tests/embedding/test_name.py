"""A bad name gives a file that cannot be copied to another system, or a word that prompts cannot say."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.adapters.standalone import tokenizer
from lib_ti.embedding.name import check_name, name_remark, shadow_warnings
from lib_ti.errors import InvalidConfig


class Clip:
    """The text side of a model, with CLIP's real vocabulary."""

    def tokenize(self, text: str) -> list[int]:
        return tokenizer.tokenize(text)


@pytest.mark.parametrize("name", ["cat", "my-cat_7", "Käthe", "a.b", "猫", "con-1", "CONcept", "a b", "x" * 100])
def test_good_names_pass_as_they_are(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("", "missing"),
        (" . ", "missing"),
        ("../up", "/"),
        ("a\\b", "\\"),
        ("a:b", ":"),
        ("a\nb", "shown"),
        ("a\x00b", "shown"),
        ("a\u202eb", "shown"),
        ("(cat)", "prompts"),
        ("[cat]", "prompts"),
        ("a,b", "prompts"),
        ("{a}", "prompts"),
        ("it's", "prompts"),
        ("<lora", "file"),
        ("a|b", "|"),
        (".cat", "dot"),
        ("cat.", "dot"),
        ("cat ", "space"),
        ("con", "Windows"),
        ("LPT1.x", "Windows"),
        ("AND", "command"),
        ("cat.pt", "ending"),
        ("cat.PNG", "ending"),
        ("cat.preview", "thumbnail"),
        ("x" * 101, "long"),
        ("猫" * 80, "long"),
    ],
)
def test_bad_names_are_refused_at_their_field(name: str, word: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        check_name(name, "create.name")
    assert {fault.where for fault in caught.value.faults} == {"create.name"}
    assert any(word in str(fault) for fault in caught.value.faults)


@given(st.text(max_size=300))
def test_any_text_is_judged(name: str) -> None:
    try:
        check_name(name)
    except InvalidConfig:
        return
    assert Path("folder", f"{name}.pt").parent == Path("folder")
    assert len(f"{name}.safetensors".encode()) < 255


@pytest.mark.parametrize(
    ("name", "warned"), [("cat", True), ("red cat", False), ("zxqv-cat", False), ("rtcat7", False)]
)
def test_a_name_that_takes_over_an_ordinary_word_is_warned_of(name: str, warned: bool) -> None:
    assert bool(shadow_warnings(name, Clip())) == warned  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "told"), [("cat", False), ("red cat", True), ("zxqv-cat", False), ("rtcat7", False)])
def test_a_name_made_of_ordinary_words_is_a_quiet_remark_and_no_warning(name: str, told: bool) -> None:
    assert ("is made of words" in name_remark(name, Clip())) == told  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "word"),
    [
        ("zxqv.pt", "name already"),
        ("ZXQV.png", "name already"),
        ("zxqv-2.safetensors", "stands in"),
        ("zx qv.bin", ""),
        ("zxqv.preview.png", ""),
        ("zxqv.txt", ""),
    ],
)
def test_files_that_shadow_each_other_are_told(file: str, word: str) -> None:
    warnings = shadow_warnings("zxqv", Clip(), [Path(file)])  # type: ignore[arg-type]
    assert (word in warnings[0]) if word else not warnings
