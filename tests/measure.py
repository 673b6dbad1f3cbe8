"""How large the house is, and how far a stranger walks in it: `python tests/measure.py [FOLDER]`.

Python's own library alone, so that it runs on any checkout, before a change and after it. Empty `__init__.py` do not count.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


def measure(package: Path) -> dict[str, str]:
    files = {path: path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py"))}
    files = {path: text for path, text in files.items() if text.strip()}
    trees = {path: ast.parse(text) for path, text in files.items()}
    lines = {path: len(text.splitlines()) for path, text in files.items()}
    functions = {(path, name): length for path, tree in trees.items() for name, length in function_lengths(tree)}
    documented = [bool(ast.get_docstring(node)) for tree in trees.values() for node in documentable(tree)]
    rooms = Counter(path.name for path in files)
    repeated = {name: count for name, count in rooms.items() if count > 1}
    largest, longest = max(lines, key=lambda path: lines[path]), max(functions, key=lambda key: functions[key])
    return {
        "files": f"{len(files)}, {sum(lines.values())} lines",
        "lines of a file": f"median {statistics.median(lines.values()):.0f}, "
        f"largest {lines[largest]} ({largest.relative_to(package)})",
        "files under 40 lines": str(sum(length < 40 for length in lines.values())),
        "lines of a function": f"median {statistics.median(functions.values()):.0f}, "
        f"longest {functions[longest]} ({longest[0].relative_to(package)}: {longest[1]})",
        "docstrings": f"{sum(documented) / len(documented):.0%} of {len(documented)} public modules, classes and functions",
        "names in several rooms": f"{len(repeated)} ({', '.join(f'{n} {c}' for n, c in sorted(repeated.items()))})",
    }


def function_lengths(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Name and lines, from `def` to the end, of each function; what a function defines inside counts as its own lines too."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def documentable(tree: ast.Module) -> Iterator[ast.Module | ast.ClassDef | Function]:
    """The module, and what of it has a public name: functions and classes at its top, and methods of these classes."""
    yield tree
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, *Function.__args__)) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (inner for inner in node.body if isinstance(inner, Function) and inner.name[0] != "_")


def importers(package: Path, *others: Path) -> dict[str, set[str]]:
    """The modules of the package, and of the folders `others`, that import each one; annotations alone count too."""
    folder = package.parent
    modules = {".".join(path.relative_to(folder).with_suffix("").parts): path for path in sorted(package.rglob("*.py"))}
    readers = modules | {path.stem: path for other in others for path in other.rglob("*.py")}
    found: dict[str, set[str]] = defaultdict(set)
    for module, path in readers.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    found[inner if inner in modules else node.module].add(module)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.name].add(module)
    return {module: found[module] - {module} for module in modules}


if __name__ == "__main__":
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "lib_ti"
    for name, value in measure(root).items():
        sys.stdout.write(f"{name:<24} {value}\n")
