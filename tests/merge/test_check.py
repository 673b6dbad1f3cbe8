"""A user would lose: knowing while typing how many rows come out, and what is wrong, before anything is computed."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lib_ti.expression.evaluate import Dictionary
from lib_ti.formats.files import Header
from lib_ti.host import ModelInfo
from lib_ti.merge.check import Check, check_expression
from tests.merge.text_model import SmallTextModel

HOST = SmallTextModel("sdxl")
HEADER = Header("my-cat", "clip_l + clip_g", "sdxl", 4, HOST.widths, 0, "", "", {}, {}, "", ())
HEADERS = {"my-cat": HEADER, "old": replace(HEADER, name="old", family="sd1", widths={"clip_l": 24})}
WORDS = Dictionary(HOST.tokenize, HEADERS)


def check(text: str, model: ModelInfo | None = None) -> Check:
    return check_expression(text, model or HOST.model(), HEADERS, WORDS)


@pytest.mark.parametrize(
    ("text", "rows"), [("'cat'", 1), ("'a my-cat'", 5), ("'cat'*2L+'dog':3", 3), ("'':0", 0), ("'x':80", 80)]
)
def test_rows_are_counted(text: str, rows: int) -> None:
    found = check(text)
    assert found.error is None
    assert found.rows == rows


def test_advice_is_given() -> None:
    assert "comma" in check("'cat'*1,5").advice[0].message
    assert "80 rows" in check("'x':80").advice[0].message
    assert "no rows" in check("'':0").advice[0].message
    assert "my-cat" in check("'mycat'").advice[0].hint


@pytest.mark.parametrize(
    ("text", "start", "words"),
    [
        ("'cat'+", 6, ""),
        ("'cat' + 'old'", 8, "SD1"),
        ("'cat':9999", 5, "1024"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(text: str, start: int, words: str) -> None:
    found = check(text)
    assert found.rows is None
    assert found.error is not None
    assert found.error.start == start
    assert words in str(found.error)


def test_an_encoder_that_the_model_lacks_is_told() -> None:
    found = check("'cat'*2G", SmallTextModel("sd1").model())
    assert found.error is not None
    assert "SDXL" in str(found.error)


def test_no_torch_is_loaded() -> None:
    """The tab asks at every keystroke, also before any model is there."""
    code = "import sys, lib_ti.merge.check, lib_ti.library.listing; print('torch' in sys.modules)"
    root = Path(__file__).parent.parent.parent
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root).stdout.strip() == "False"
    )
