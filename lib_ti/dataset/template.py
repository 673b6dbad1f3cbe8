"""Prompt templates: text files with one prompt a line, in which [name] (or OneTrainer's <embedding>) stands for the embedding and
[filewords] for the caption."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from lib_ti.dataset.folder import typed_path
from lib_ti.errors import Fault, InvalidDataset
from lib_ti.reading import read_text

SHIPPED = Path(__file__).parent / "templates"
FIELD = "data.template"
OTHER_MARK = "<embedding>"
"""OneTrainer's word for [name]."""


@dataclass(frozen=True)
class Template:
    """`lines` are the prompts without blank lines; each holds [name] or another embedding's [NAME], or [filewords] for captions
    that hold the name."""

    name: str
    lines: tuple[str, ...]


def find_template(name_or_path: str, folders: Sequence[Path] = ()) -> Path:
    """The file of a template: a path, or a name looked up in `folders`, then among those we ship. Raises InvalidDataset."""
    wanted = name_or_path.strip().strip('"')
    if not wanted:
        raise InvalidDataset([Fault(FIELD, "a template is missing", "give a name such as subject, or a .txt file")])
    path = typed_path(wanted)
    if path.suffix.lower() == ".txt" and path.is_file():
        return path
    known = known_templates(folders)
    found = known.get(wanted.removesuffix(".txt"))
    if found is None:
        near = get_close_matches(wanted.removesuffix(".txt"), known, n=3) or sorted(known)
        raise InvalidDataset([Fault(FIELD, f"there is no template {wanted!r}", f"there is {', '.join(near)}")])
    return found


def load_template(path: Path, names: Sequence[str] = ()) -> Template:
    """Read and check a template file (UTF-8); `names` are those that its lines may call in brackets.

    Raises InvalidDataset that names the lines which cannot be used.
    """
    try:
        text = read_text(path)
    except UnicodeDecodeError as error:
        raise _refused(path, "is not UTF-8 text", "save it as UTF-8 in a text editor") from error
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}", "check the file and its permissions") from error
    lines = [(number, line.strip()) for number, line in enumerate(plain_marks(text).splitlines(), 1) if line.strip()]
    if not lines:
        raise _refused(path, "holds no prompt", "write one prompt a line, such as: a photo of [name]")
    marks = [f"[{name}]" for name in ("name", "filewords", *names)]
    lost = [str(number) for number, line in lines if not any(mark in line for mark in marks)]
    if lost:
        where = f"line {lost[0]} has" if len(lost) == 1 else f"lines {', '.join(lost)} have"
        raise _refused(path, f"{where} no [name]", "put [name] where the embedding's word belongs")
    return Template(path.stem, tuple(line for _, line in lines))


def plain_marks(text: str) -> str:
    """With [name] wherever it says so in OneTrainer's way."""
    return text.replace(OTHER_MARK, "[name]")


def compose_prompt(line: str, name: str, filewords: str, names: Sequence[str] = ()) -> str:
    """The prompt of one sample. [filewords] goes first, so that a caption may hold [name] itself; so may either, [NAME] of `names`."""
    prompt = line.replace("[filewords]", filewords).replace("[name]", name)
    for other in names:
        prompt = prompt.replace(f"[{other}]", other)
    return prompt


def known_templates(folders: Sequence[Path]) -> dict[str, Path]:
    known: dict[str, Path] = {}
    for folder in (*folders, SHIPPED):
        for path in sorted(folder.rglob("*.txt")):  # A1111 looks into subfolders too
            if path.is_file():
                known.setdefault(path.stem, path)
    return known


def _refused(path: Path, message: str, hint: str) -> InvalidDataset:
    return InvalidDataset([Fault(FIELD, f"{path.name} {message}", hint)])
