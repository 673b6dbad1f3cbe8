"""The map in `docs/contributing/architecture.md` is held here: who may import whom, and what must stay cheap to import.

An import counts wherever it stands: at the top, inside a function, or for annotations alone (`if TYPE_CHECKING`). The
last two cost nothing at run time, but they tie the parts together all the same.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.measure import function_lengths, importers

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lib_ti"
MAP = ROOT / "docs" / "contributing" / "architecture.md"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in FILES}

HOSTS = {"modules", "modules_forge", "backend", "launch", "diffusers", "transformers"}
MAY_IMPORT_HOSTS = ("lib_ti.adapters.", "lib_ti.demo.recipe.")  # the recipe trains diffusers networks
TORCH_FREE = (
    "version",
    "errors",
    "events",
    "control",
    "atomic",
    "chance",
    "drawing",
    "host",
    "infotext",
    "app",
    "picture_folders",
    "library_job",
    "description_job",
    "config",
    "dataset",
    "expression",
    "jobs",
    "cli",
    "ui",
    "api",
)
LONGEST_FILE, LONGEST_FUNCTION = 500, 60
SMALL = 40
"""Lines. A file is a subject, not a size: what has fewer and serves a single other file belongs into that one."""
SMALL_ON_PURPOSE = {
    "lib_ti.__main__": "Python's own name for it",
    "lib_ti.merge.check": "loads neither torch nor a model, for it answers at every key pressed; the rest of the room does",
}


def imports(path: Path) -> Iterator[str]:
    """The full names of all modules that a file imports; `from a import b` gives a.b where that is a module of ours."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if inner in MODULES else module


def part(module: str) -> str:
    """lib_ti.formats.files -> formats"""
    return module.split(".")[1]


def parts() -> set[str]:
    return {part(module) for module in MODULES if part(module) not in ("__init__", "__main__")}


def read_rules() -> dict[str, set[str]]:
    """What each part may import, from the map's block of lines `part part -> part part.file (remark)`."""
    block = re.search(r"## Import direction.*?```\n(.*?)```", MAP.read_text(encoding="utf-8"), re.S)
    assert block
    rules: dict[str, set[str]] = {}
    for line in block[1].splitlines():
        left, arrow, right = re.sub(r"\(.*?\)", "", line).partition("->")
        assert arrow, f"not a rule: {line!r}"
        for name in left.split():
            rules[name] = set(right.split()) - {"nothing"}
    return rules


RULES = read_rules()


def test_the_map_rules_every_part() -> None:
    assert RULES.keys() == parts()


@pytest.mark.parametrize("module", [module for module in MODULES if part(module) in RULES])
def test_imports_follow_the_map(module: str) -> None:
    allowed = RULES[part(module)]
    for name in imports(MODULES[module]):
        if name.startswith("lib_ti.") and part(name) != part(module):
            assert part(name) in allowed or name.removeprefix("lib_ti.") in allowed, f"{module} imports {name}"


@pytest.mark.parametrize("name", RULES)
def test_the_map_permits_nothing_that_is_not_used(name: str) -> None:
    """Or the next import across rooms would go unseen."""
    used = {
        one.removeprefix("lib_ti.") for module in MODULES if part(module) == name for one in imports(MODULES[module])
    }
    used |= {one.split(".")[0] for one in used}
    assert RULES[name] <= used, RULES[name] - used


def test_there_are_no_cycles() -> None:
    graph = {module: {name for name in imports(path) if name in MODULES} for module, path in MODULES.items()}
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_hosts_are_imported_by_their_adapters_alone() -> None:
    for module, path in MODULES.items():
        if not module.startswith(MAY_IMPORT_HOSTS):
            found = {name.split(".")[0] for name in imports(path)} & HOSTS
            assert not found, f"{module} imports {found}"


def test_gradio_is_imported_by_the_tab_alone() -> None:
    for module, path in MODULES.items():
        names = {name.split(".")[0] for name in imports(path)}
        assert "gradio" not in names or part(module) == "ui", module
        assert part(module) != "ui" or not names & {"torch", "numpy"}, module


def test_fastapi_is_imported_by_the_api_alone() -> None:
    for module, path in MODULES.items():
        assert part(module) == "api" or not {name.split(".")[0] for name in imports(path)} & {"fastapi", "pydantic"}


@pytest.mark.parametrize("module", [module for module in MODULES if part(module) in TORCH_FREE])
def test_what_must_open_at_once_does_not_wait_for_torch(module: str) -> None:
    """In one fresh interpreter for the command line, see `test_the_command_line…`; here by reading, for each file."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    names = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert not {name.split(".")[0] for name in names} & {"torch", "safetensors", *HOSTS}


def test_the_command_line_the_facade_and_the_parsers_load_no_torch() -> None:
    """`--help` and a mistyped setting must answer at once, and a WebUI must not wait for us at its start."""
    free = [
        module
        for module in MODULES
        if part(module) in TORCH_FREE and part(module) != "ui" and not module.endswith("__init__")
    ]
    code = f"import sys, {', '.join(free)}; print(*sorted({{'torch', 'diffusers', 'transformers', 'gradio'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.stderr == ""
    assert result.stdout.strip() == ""


def test_a_webui_finds_exactly_one_script() -> None:
    """Every .py file in `scripts/` is run by a WebUI as a script of its own."""
    assert len(list((ROOT / "scripts").glob("*.py"))) == 1


def test_no_module_lies_at_the_top_level() -> None:
    """There, another extension's module of the same name would win. These two are run by their path, not imported."""
    assert sorted(path.name for path in ROOT.glob("*.py")) == ["install.py", "preload.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_can_be_read_at_a_sitting(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    long = [f"{name}: {lines} lines" for name, lines in function_lengths(ast.parse(text)) if lines > LONGEST_FUNCTION]
    assert not long
    assert path.stem not in ("utils", "util", "helpers", "misc", "common", "base")
    if path.name == "__init__.py":
        assert text.strip() == "", "a re-export would drag torch into the parser"


def test_no_file_is_small_and_serves_one_other_alone() -> None:
    by = importers(PACKAGE, ROOT / "scripts")
    texts = {module: path.read_text(encoding="utf-8") for module, path in MODULES.items()}
    small = {
        module: by[module]
        for module, text in texts.items()
        if 0 < len(text.splitlines()) < SMALL
        and len(by[module]) <= 1
        and "\ndef add_command(" not in text  # a command is a file, however short
    }
    assert small.keys() == SMALL_ON_PURPOSE.keys(), {m: by[m] for m in small.keys() ^ SMALL_ON_PURPOSE.keys()}


def test_the_map_names_every_part() -> None:
    table = MAP.read_text(encoding="utf-8").split("## Import direction")[0]
    for name in parts():
        assert f"`{name}/`" in table or f"`{name}.py`" in table, name
