"""README and docs against the code: a flag, setting or message that they do not name, or name wrongly, is lost to users."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.docs import DOCS, PAGES, README, ROOT, commands, fill

TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
CLI = TEXTS[DOCS / "cli.md"]
MKDOCS = ROOT / "mkdocs.yml"
FENCE = re.compile(r"^(```+).*?^\1", re.MULTILINE | re.DOTALL)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@every_page
def test_its_tables_are_what_the_code_says(page: Path) -> None:
    assert fill(TEXTS[page]) == TEXTS[page], "run: python -m tests.docs"


@pytest.mark.parametrize("command", commands())
def test_every_command_is_documented_with_an_example_and_its_flags(command: str) -> None:
    assert f"## `{command}`" in CLI
    assert f"python -m lib_ti {command}" in CLI
    assert f"<!-- table: {command} -->" in CLI


@pytest.mark.parametrize("table", ["settings", "requests", "webui settings"])
def test_every_setting_and_request_has_a_place(table: str) -> None:
    assert any(f"\n<!-- table: {table} -->\n" in text for text in TEXTS.values())


@every_page
def test_every_example_names_flags_that_exist(page: Path) -> None:
    for words in examples(TEXTS[page]):
        command, *_ = words.split()
        known = {flag for action in commands()[command]._actions for flag in action.option_strings}
        assert set(re.findall(r"(?<=\s)--[a-z-]+", words)) <= known, words


@every_page
def test_every_page_and_picture_that_it_links_to_is_there(page: Path) -> None:
    for target in links(TEXTS[page]):
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_the_readme_is_read_in_one_go() -> None:
    assert len(TEXTS[README].splitlines()) <= 150


def test_adding_something_takes_a_page() -> None:
    for page in (DOCS / "contributing").glob("adding-*.md"):
        assert len(TEXTS[page].splitlines()) <= 40, page


def test_every_page_can_be_found_on_the_site() -> None:
    assert {DOCS / name for name in named_pages(yaml.safe_load(MKDOCS.read_text(encoding="utf-8"))["nav"])} == {
        page for page in PAGES if page.is_relative_to(DOCS)
    }


def test_every_picture_of_the_docs_is_shown_and_small() -> None:
    shown = {(page.parent / target).resolve() for page, text in TEXTS.items() for target in links(text)}
    for picture in (DOCS / "pictures").iterdir():
        assert picture in shown, picture
        assert picture.stat().st_size < 200_000, picture


def test_the_messages_that_are_explained_are_those_of_the_program() -> None:
    said = list(sentences())
    for row in re.findall(r"^\| (`.+?) \|", TEXTS[DOCS / "troubleshooting.md"], re.MULTILINE):
        for message in re.findall(r"`(.+?)`", row):
            parts = (re.escape(part.strip(" .")) for part in message.split("…"))
            pattern = re.compile(".*".join(parts), re.DOTALL)
            assert any(map(pattern.search, said)), f"nothing says {message!r}"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    if importlib.util.find_spec("mkdocs") is None:
        pytest.fail("mkdocs is missing: python install.py test brings it")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    result = subprocess.run(build, capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stderr
    for page in PAGES:
        if page.is_relative_to(DOCS):
            built = tmp_path / page.relative_to(DOCS).with_suffix("") / "index.html"
            assert built.exists() or page.stem == "index", page


def test_every_push_is_tested_on_all_systems_and_pythons() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))["jobs"]
    grid = jobs["all"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in grid["os"]} == {"ubuntu", "windows", "macos"}
    text = (ROOT / "install.py").read_text(encoding="utf-8")
    (oldest, newest) = re.findall(r"^OLDEST, NEWEST = \(3, (\d+)\), \(3, (\d+)\)", text, re.MULTILINE)[0]
    assert grid["python"] == [f"3.{minor}" for minor in range(int(oldest), int(newest) + 1)]
    assert jobs["all"]["steps"][-1] == {"run": "python install.py test"}


def examples(text: str) -> list[str]:
    """Command lines of ours, with lines that go on in the next joined."""
    found = re.findall(r"^(?:\$ )?(?:(?:\.venv/bin/)?python -m lib_ti|ti-lab) (.+?(?:\\\n.+?)*)$", text, re.MULTILINE)
    return [words.replace("\\\n", " ") for words in found]


def links(text: str) -> list[str]:
    """What is linked to within the repository."""
    return re.findall(r"\]\((?!https?:)([^)\s]+)\)", FENCE.sub("", text))


def anchors(page: Path) -> set[str]:
    """Of its headings, as both the repository's site and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def named_pages(nav: list[object]) -> Iterator[str]:
    for entry in nav:
        (inner,) = entry.values() if isinstance(entry, dict) else (entry,)
        if isinstance(inner, list):
            yield from named_pages(inner)
        else:
            yield str(inner)


def sentences() -> Iterator[str]:
    """All texts of the program, with … where a value is put in."""
    for path in [*(ROOT / "lib_ti").rglob("*.py"), ROOT / "install.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def promises() -> Iterator[tuple[str, list[str], list[str]]]:
    """(words, files under lib_ti, tests under tests) of each row of the table of promises."""
    for row in TEXTS[DOCS / "contributing" / "promises.md"].splitlines():
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        if len(cells) == 3 and "`" in cells[1]:
            yield cells[0], re.findall("`(.+?)`", cells[1]), re.findall("`(.+?)`", cells[2])


@pytest.mark.parametrize(
    ("words", "files", "tests"), promises(), ids=lambda cell: cell if isinstance(cell, str) else ""
)
def test_a_promise_is_kept_somewhere_and_has_tests(words: str, files: list[str], tests: list[str]) -> None:
    """A promise could be made wider than what is kept, or go on being made when its test is gone."""
    others = [text for page, text in TEXTS.items() if page.name != "promises.md"]
    assert any(words in " ".join(text.split()) for text in others), "no page promises this"
    assert files
    assert all((ROOT / "lib_ti" / file).is_file() for file in files)
    assert tests
    for test in tests:
        file, _, name = test.partition("::")
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert f"def {name}(" in text if name else text, test


def test_every_promise_of_the_readme_in_bold_has_a_row() -> None:
    bold = set(re.findall(r"^- \*\*([A-Z][^*\[]+\.)\*\*", TEXTS[README], re.MULTILINE))
    assert bold - {"Nothing is lost by a fault."} <= {words.strip("*") for words, *_ in promises()}, (
        "which rows say in parts"
    )
