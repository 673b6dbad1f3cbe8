"""Installs what TI Lab needs, and starts it.

    (no argument)                  only for a WebUI, at its start: adds what is missing, never changes what is there
    python install.py ui [...]     makes .venv here and opens the tab on the demo model, at 127.0.0.1
    python install.py demo [...]   the same set-up, then a whole training without a window
    python install.py test [...]   the same set-up with the tools of developers, then lint, types and all tests

Further arguments go on to `python -m lib_ti ui`, to `python -m lib_ti demo` or to pytest. `--torch-index URL`, or the
variable TI_LAB_TORCH_INDEX, names the package index to take torch from, such as https://download.pytorch.org/whl/cu128.

Only Python's own library is used here, and only syntax that an old Python can read far enough to be told that it is too old.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import deque
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "ti-lab-installed.json"
UNFINISHED = VENV / "ti-lab-unfinished"
CONSTRAINTS = ROOT / "constraints.txt"
LOCKS = ROOT / "locks"
"""The same versions with the hashes of their files, which pip compares."""

OLDEST, NEWEST = (3, 11), (3, 13)
"""Of the tested versions in constraints.txt; inside a WebUI, Python 3.10 is enough."""
GIGABYTES = 3
CPU_TORCH = "https://download.pytorch.org/whl/cpu"

IN_A_WEBUI = {"numpy": "numpy", "pillow": "PIL", "safetensors": "safetensors"}
"""Package and module; torch and gradio are the WebUI's own matter."""

WHAT = {"ui": ("ui.txt",), "demo": ("ui.txt",), "test": ("ui.txt", "test.txt")}
"""What pip is asked for, by role: the locks of what this project needs, and of what its developers need."""


class SetupError(Exception):
    """A sentence for the user."""


def main(argv: list[str]) -> int:
    if not argv and importlib.util.find_spec("launch"):  # a WebUI puts its folder, with launch.py, on the path
        return install_missing()
    if not argv:
        print(__doc__)
        return 2
    role, *rest = argv
    if role not in WHAT:
        print(__doc__)
        return 0 if role in ("-h", "--help") else 2
    index, rest = take_torch_index(rest)
    set_up(WHAT[role], index)
    if role == "test":
        return run_tests(rest)
    return become([str(PYTHON), "-m", "lib_ti", role, *rest])


# Inside a WebUI


def install_missing() -> int:
    missing = [package for package, module in IN_A_WEBUI.items() if importlib.util.find_spec(module) is None]
    if not missing:
        return 0
    print(f"TI Lab: installing {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        as_it_is = Path(folder) / "constraints.txt"
        as_it_is.write_text("\n".join(installed_versions()), encoding="utf-8")
        pip(sys.executable, ["-c", str(as_it_is), *missing])
    return 0


def installed_versions() -> list[str]:
    """A constraint for every package of the WebUI, so that pip can add to them but change none."""
    found = ((package.metadata["Name"], package.version) for package in importlib.metadata.distributions())
    return sorted({f"{name}=={version}" for name, version in found if name and version})


# An environment of our own


def set_up(what: tuple[str, ...], torch_index: str) -> None:
    """Make .venv hold this project and the tested versions of all that it needs; quick when it does."""
    began = time.monotonic()
    wanted, stamp = fingerprint(), read_stamp()
    # Whoever has the developers' tools has the rest too.
    if not UNFINISHED.exists() and wanted in (stamp.get(what[-1]), stamp.get(WHAT["test"][-1])) and runs(PYTHON):
        print(f"TI Lab: {VENV} is ready.", flush=True)
        return
    check_python()
    check_space()
    make_venv()
    UNFINISHED.touch()
    print("TI Lab: installing everything but torch", flush=True)
    pip_locked(what)
    # torchvision, which open_clip asks for, fits the torch of its own index alone.
    print("TI Lab: installing torch, the largest part", flush=True)
    install_torch(torch_index)
    # What builds it is there by now: pip would fetch it once more, past all hashes.
    pip(str(PYTHON), ["--no-index", "--no-deps", "--no-build-isolation", "--editable", "."], cwd=ROOT)
    STAMP.write_text(json.dumps({**read_stamp(), what[-1]: wanted}), encoding="utf-8")
    UNFINISHED.unlink()
    print(f"TI Lab: installed in {duration(time.monotonic() - began)}.", flush=True)


def fingerprint() -> str:
    """Of all that decides what is installed."""
    files = (ROOT / "pyproject.toml", CONSTRAINTS, *sorted(LOCKS.glob("*.txt")))
    return hashlib.sha256("\n".join(file.read_text(encoding="utf-8") for file in files).encode()).hexdigest()


def read_stamp() -> dict[str, str]:
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def runs(python: Path) -> bool:
    try:
        return subprocess.run([str(python), "-c", "import pip"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def check_python() -> None:
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise SetupError(
            f"This is Python {sys.version.split()[0]}; TI Lab is tested with {dotted(OLDEST)} to {dotted(NEWEST)}. "
            "Run the same command with such a one, for example: python3.11 install.py ui"
        )
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise SetupError(
            "This Python cannot make environments (venv or ensurepip is missing). "
            f"On Debian and Ubuntu: sudo apt install python{dotted(sys.version_info[:2])}-venv"
        )


def check_space() -> None:
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < GIGABYTES:
        raise SetupError(f"Only {free:.1f} GB are free at {ROOT}; torch and the rest need about {GIGABYTES} GB.")


def make_venv() -> None:
    """Keep a whole .venv. One that was left half made, or whose Python is gone, is made anew."""
    if VENV.exists() and (UNFINISHED.exists() or not runs(PYTHON)):
        if Path(sys.prefix).resolve() == VENV.resolve():
            raise SetupError("This .venv is not whole and must be made anew: leave it first (deactivate).")
        print(f"TI Lab: {VENV} is not whole, perhaps after an interruption: making it anew", flush=True)
        shutil.rmtree(VENV)
    if not VENV.exists():
        print(f"TI Lab: making {VENV} with Python {sys.version.split()[0]}", flush=True)
        VENV.mkdir()
        UNFINISHED.touch()
        made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False)
        if made.returncode:
            raise SetupError("Python could not make the environment; the lines above say why.")


def take_torch_index(arguments: list[str]) -> tuple[str, list[str]]:
    if "--torch-index" not in arguments:
        return os.environ.get("TI_LAB_TORCH_INDEX", ""), arguments
    at = arguments.index("--torch-index")
    if at + 1 == len(arguments):
        raise SetupError("--torch-index needs a URL, such as https://download.pytorch.org/whl/cu128")
    return arguments[at + 1], arguments[:at] + arguments[at + 2 :]


def install_torch(index: str) -> None:
    """From an index of torch's own, where one is named or fits better, and from that alone: were it a second source beside PyPI,
    each could hand out packages in the name of the other. All else that torch needs is there by now, but for NVIDIA's libraries,
    which that index has. Its builds differ from index to index and have no hashes here; PyPI's have."""
    index = index or usual_index()
    if index:
        pip_tested(["--index-url", index, "torch", "torchvision"])
    elif wants_cpu_torch() and has_own_sources():  # a folder of wheels, say, which then has the CPU's torch
        pip_tested(["torch", "torchvision"])
    else:
        pip_locked(["torch.txt"])


def usual_index() -> str:
    """Linux's usual torch brings gigabytes for NVIDIA cards: where there is none, the CPU's torch, if its index answers."""
    if wants_cpu_torch():
        try:
            with urllib.request.urlopen(f"{CPU_TORCH}/torch/", timeout=5):
                return CPU_TORCH
        except OSError:
            pass
    if sys.platform == "win32" and has_nvidia():
        print("TI Lab: for your NVIDIA card add --torch-index https://download.pytorch.org/whl/cu128", flush=True)
    return ""


def wants_cpu_torch() -> bool:
    return sys.platform == "linux" and not has_nvidia()


def has_own_sources() -> bool:
    """Whether the user has told pip of others than PyPI."""
    told = subprocess.run([str(PYTHON), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    return re.search(r"\.(find-links|extra-index-url)=", told.stdout) is not None


def has_nvidia() -> bool:
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None


def pip_tested(arguments: list[str]) -> None:
    """The tested versions, from where pip is told."""
    pip(str(PYTHON), ["-c", str(CONSTRAINTS), *arguments])


def pip_locked(locks: Iterable[str]) -> None:
    """The very files that were tested, from wherever they come, and nothing else; none of them runs anything to be installed."""
    files = [word for lock in locks for word in ("-r", str(LOCKS / lock))]
    pip(str(PYTHON), ["--require-hashes", "--no-deps", "--only-binary", ":all:", *files])


def pip(python: str, arguments: list[str], cwd: Path | None = None) -> None:
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *arguments]
    last: deque[str] = deque(maxlen=40)
    with subprocess.Popen(
        command, cwd=cwd, stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            last.append(line)
    if process.returncode:
        raise SetupError(explain("".join(last)))


def explain(errors: str) -> str:
    """What to do about pip's last words."""
    missing = re.search(r"No matching distribution found for ([\w.-]+)", errors)
    if "No space left" in errors:
        return (
            f"The disk is full: torch and the rest need about {GIGABYTES} GB. Make room and run the same command again."
        )
    if re.search(r"ConnectionError|Connection refused|timed out|name resolution|getaddrinfo|ProxyError", errors):
        return "The package index cannot be reached. Check the network or proxy and run the same command again."
    if "DO NOT MATCH THE HASHES" in errors:
        return (
            "A package is not the file that was tested; the lines above name it. Was its download cut off? Run the same command "
            "again. Else someone on the way to the package index hands out another one: nothing of it was installed."
        )
    if missing and missing[1] == "torch":
        return (
            f"There is no tested torch for Python {dotted(sys.version_info[:2])} on this system. Try Python 3.11, "
            "or name an index that has one: --torch-index URL (see https://pytorch.org/get-started)."
        )
    if missing:
        return f"pip found no tested {missing[1]} for Python {dotted(sys.version_info[:2])}. Try Python 3.11."
    return (
        "pip could not install everything: the lines above name the package. Mend that and run the same command again."
    )


# Running


def become(command: list[str]) -> int:
    """Run in the place of this process, so that Ctrl-C and signals reach the command alone; Windows cannot do that."""
    if os.name != "nt":
        os.execv(command[0], command)
    return run(command)


def run(command: list[str], **variables: str) -> int:
    with subprocess.Popen(command, env={**os.environ, **variables}) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the command got it too and ends in its own way


def run_tests(arguments: list[str]) -> int:
    os.chdir(ROOT)
    module = [str(PYTHON), "-m"]
    checks = {
        "ruff check": [*module, "ruff", "check", "."],
        "ruff format": [*module, "ruff", "format", "--check", "."],
        "mypy": [*module, "mypy"],
    }
    failed = []
    for name, command in checks.items():
        print(f"TI Lab: {name}", flush=True)
        if run(command):
            failed.append(name)
    # One thread a worker: the workers together use the cores, and small tensors gain nothing from more.
    pytest = [*module, "pytest", "--slow", "-n", "auto", "--maxprocesses", "4", "--dist", "loadfile", *arguments]
    code = run(pytest, OMP_NUM_THREADS="1")
    if not arguments:
        print("TI Lab: the oldest versions that users have", flush=True)
        code = run([*module, "tests.oldest"], OMP_NUM_THREADS="1") or code
    if failed:
        print(f"TI Lab: failed before the tests: {', '.join(failed)}", flush=True)
    return code or int(bool(failed))


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        sys.exit(f"TI Lab: {error}")
    except OSError as error:
        sys.exit(f"TI Lab: {error}. Mend that and run the same command again.")
    except KeyboardInterrupt:
        sys.exit("\nTI Lab: interrupted; run the same command again to go on.")
