"""Short trainings, merges, conversions and inspections without end, through a real server in one process: does anything grow?

    python -m tests.benchmarks.soak --rounds 200

Memory is told in MiB: what the process has (RSS), what of it is allocated (glibc's mallinfo2: the rest is what the allocator holds
for the next who asks, or files in memory), and what it gives back at the end if told to (malloc_trim). Objects are those that Python's garbage collector knows; those whose number has grown most are told by their types.
"""

import argparse
import ctypes
import gc
import itertools
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import torch

from lib_ti.adapters.detect import open_standalone
from lib_ti.api.routes import PREFIX, build_server
from lib_ti.api.security import Access
from lib_ti.app import App
from lib_ti.demo.concept import PICTURES
from lib_ti.ui.serve import serving

NAMES = 5
"""Of trainings and merges each: the sixth overwrites the first."""
AT_ONCE = 6
"""Requests."""


def round_of_work(client: Any, number: int) -> None:
    """A training of a few steps, with previews every fifth time, and all that is done with its embedding."""
    name, mix, fifth = f"run-{number % NAMES}", f"mix-{number % NAMES}", number % 5 == 0
    post = Asking(client, "post")
    run: dict[str, Any] = {
        "embedding": {"name": name, "init": "round thing", "vectors": 2, "overwrite": True},
        "data": {"folder": str(PICTURES), "template": "subject"},
        "optim": {"lr": "0.01", "steps": 3, "batch_size": 2},
        "preview": {"every": 2 if fifth else 0, "steps": 2},
        "save": {"every": 2, "tensorboard": number % 10 == 3},
    }
    post("train/start", run)
    wait(client)
    expression = f"'{name}'*0.5 + 'blue'"
    post("merge/check", {"expression": expression})
    post("merge", {"expression": expression, "name": mix, "overwrite": True})
    post("inspect", {"file": f"{name}.safetensors", "other": f"{mix}.safetensors", "same_as": "a cat"})
    post("inspect", {"typed": f"a photo of <{expression}>", "by": "none"})
    post("decompose", {"file": f"{mix}.safetensors"})
    post("inspect/heatmap", {"file": f"{mix}.safetensors"})
    post("convert", {"file": f"{mix}.safetensors", "to": "pt", "folder": "converted", "overwrite": True})
    get = Asking(client, "get")
    get("library")
    get("train/log")
    if fifth:
        get("train/preview")
        with ThreadPoolExecutor(AT_ONCE) as pool:  # as pages do, and each request is a thread of the server's
            list(pool.map(post, ["inspect/heatmap"] * AT_ONCE, [{"file": f"{mix}.safetensors"}] * AT_ONCE))


@dataclass(frozen=True)
class Asking:
    client: Any
    method: str

    def __call__(self, path: str, values: Any = None) -> Any:
        given = {"json": values} if values is not None else {}
        answer = getattr(self.client, self.method)(f"{PREFIX}/{path}", **given)
        assert answer.status_code < 300, f"{path}: {answer.status_code} {answer.text}"
        return answer


def wait(client: Any) -> None:
    """For the end of the training."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        status = client.get(f"{PREFIX}/train/status").json()
        if status["state"] in ("finished", "failed", "stopped"):
            assert status["state"] == "finished", status
            return
        time.sleep(0.02)
    raise TimeoutError("the training has not ended within 300 s")


@dataclass(frozen=True)
class Count:
    """Of what a process may hold too much."""

    threads: int
    files: tuple[str, ...]
    objects: Counter[str]
    tensors: int

    @classmethod
    def now(cls) -> "Count":
        gc.collect()
        objects: Counter[str] = Counter(type(thing).__qualname__ for thing in gc.get_objects())
        tensors = objects["Tensor"] + objects["Parameter"]
        return cls(threading.active_count(), open_files(), objects, tensors)


def open_files() -> tuple[str, ...]:
    """What each of them is: a path, or a socket, a pipe."""
    files = []
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that lists them
            files.append(str(handle.readlink()).partition(":[")[0])
    return tuple(sorted(files))


def grown(first: Counter[str], last: Counter[str], most: int = 12) -> dict[str, int]:
    return {name: more for name, more in (last - first).most_common(most) if more > 0}


def rss() -> float:
    """MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


class _Mallinfo(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in ["arena", "ordblks", "smblks", "hblks", "mapped", "usmblks", "fsmblks", "used", "free", "top"]
    )


def allocated() -> float:
    """MiB, by glibc; 0 without it."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        return 0.0
    libc.mallinfo2.restype = _Mallinfo
    found = libc.mallinfo2()
    return float(found.mapped + found.used) / 2**20


@contextmanager
def a_server(folder: Path) -> Iterator[httpx.Client]:
    """The page and the API on the demo model, as `ui` serves them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = App(open_standalone("demo", "cpu", "fp32", folder / "embeddings", folder / "logs"))
    server = build_server(app, Access(pictures=(PICTURES,)))
    with (
        serving(app, server, lambda page: page, port=port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client,
    ):
        yield client


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--every", type=int, default=20, help="rounds between two lines")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(
        f"{'round':>6} {'seconds':>8} {'RSS':>7} {'allocated':>9} {'threads':>8} {'files':>6} {'tensors':>8} {'objects':>8}"
    )
    began, settled = time.monotonic(), None
    with tempfile.TemporaryDirectory() as folder, a_server(Path(folder)) as client:
        for number in itertools.count(1):
            round_of_work(client, number)
            if number % args.every == 0 or number == 1:
                count = Count.now()
                total = sum(count.objects.values())
                told = (
                    time.monotonic() - began,
                    rss(),
                    allocated(),
                    count.threads,
                    len(count.files),
                    count.tensors,
                    total,
                )
                print("{:>6} {:>8.0f} {:>7.1f} {:>9.1f} {:>8} {:>6} {:>8} {:>8}".format(number, *told), flush=True)
                if number >= args.every and settled is None:
                    settled = count
            if number >= args.rounds:
                break
        assert settled is not None
        print("grown since the second line:", grown(settled.objects, count.objects))
        print("files:", dict(Counter(count.files)), "before:", dict(Counter(settled.files)))
        if hasattr(ctypes.CDLL(None), "malloc_trim"):
            before = rss()
            ctypes.CDLL(None).malloc_trim(0)
            print(f"malloc_trim gives {before - rss():.1f} MiB back: {rss():.1f} are used")


if __name__ == "__main__":
    main()
