"""Everyone loses, where a request reads or writes a file outside the folders that are meant for it."""

import os
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lib_ti.api.requests import ConvertRequest, DecomposeRequest, HeatmapRequest, InspectRequest, RemakeRequest
from lib_ti.api.routes import PREFIX, add_routes
from lib_ti.api.security import Access, find_inside
from lib_ti.api.values import Values
from lib_ti.app import App
from lib_ti.config.describe import DescribeConfig
from lib_ti.config.embeddings import CreateConfig, MergeConfig
from lib_ti.config.options import walk_options
from lib_ti.config.train import TrainConfig
from tests.toy_host import ToyHost

CONFIGS = (CreateConfig, MergeConfig, TrainConfig, RemakeRequest, InspectRequest, HeatmapRequest, DecomposeRequest)
CONFIGS += (ConvertRequest, DescribeConfig)
SECRET = b"a secret"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """root/{embeddings,log,templates,pictures} of a host, links in them, and a secret beside and above."""
    root = tmp_path_factory.mktemp("world") / "root"
    for name in ("embeddings/sub", "log", "templates", "pictures", "outside"):
        (root / name).mkdir(parents=True)
    for place in (root.parent, root, root / "outside"):
        for ending in (".pt", ".txt", ".safetensors", ""):
            (place / f"secret{ending}").write_bytes(SECRET)
    (root / "embeddings" / "link").symlink_to(root / "outside")
    (root / "embeddings" / "secretlink.pt").symlink_to(root / "outside" / "secret.pt")
    (root / "embeddings" / "loop").symlink_to(root / "embeddings" / "loop")
    (root / "log" / "up").symlink_to("..")
    return root


@pytest.fixture(scope="module")
def client(world: Path) -> TestClient:
    server = FastAPI()
    add_routes(server, App(ToyHost(world)), Access(pictures=(world / "pictures",), hint="open more of them"))
    return TestClient(server)


def outside(world: Path) -> dict[str, bytes]:
    """Every file that no request may touch."""
    ours = tuple(str(world / name) + os.sep for name in ("embeddings", "log"))
    return {
        str(path): path.read_bytes()
        for path in world.parent.rglob("*")
        if path.is_file() and not str(path).startswith(ours)
    }


PARTS = (
    "..",
    ".",
    "",
    "sub",
    "link",
    "secretlink.pt",
    "loop",
    "up",
    "secret",
    "secret.pt",
    "secret.txt",
    "~",
    "outside",
)
PARTS += ("root", "embeddings", "log", "C:", "\\\\server\\share", "..\\", "nul\0l", "a" * 300, "\ud800", "%2e%2e", "é")


@st.composite
def paths(draw: st.DrawFn) -> str:
    part = st.sampled_from(PARTS) | st.text(string.printable, max_size=4)
    begin = draw(
        st.sampled_from(("", "/", "//", "ROOT/", "ROOT/embeddings/", "ROOT/embeddings", "ROOT/log/", "\\", '"'))
    )
    return begin + "/".join(draw(st.lists(part, max_size=6)))


@settings(max_examples=300, deadline=None)
@example("../secret.pt")
@example("ROOT/embeddings/../secret.pt")
@example("ROOT/embeddings-and-more")
@example("link/secret.pt")
@example("link/../../secret.pt")
@example("secretlink.pt")
@given(paths())
def test_no_spelling_of_a_path_leads_out(world: Path, given: str) -> None:
    given = given.replace("ROOT", str(world))
    found = find_inside(given, [world / "embeddings", world / "log"])
    if found is None:
        return
    real = Path(os.path.realpath(found))
    assert real.is_relative_to(world / "embeddings") or real.is_relative_to(world / "log"), found
    assert ".." not in found.parts


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example("../secret", "../secret.pt")
@example("secret", "ROOT/outside")
@example("secret", "link")
@given(paths(), paths())
def test_no_request_reads_or_writes_outside(client: TestClient, world: Path, name: str, place: str) -> None:
    name, place = (text.replace("ROOT", str(world)) for text in (name, place))
    before = outside(world)
    places = {"folder": place, "overwrite": True}
    asked: list[tuple[str, dict[str, Any]]] = [
        ("create", {"name": name, "init": "red", "source": "text", **places}),
        ("create", {"name": "moth", "source": "embedding", "file": name, **places}),
        ("merge", {"expression": "'red'", "name": name, **places}),
        ("inspect", {"file": name}),
        ("inspect", {"typed": "'red'", "other": name}),
        ("decompose", {"file": name}),
        ("inspect/heatmap", {"file": name}),
        ("convert", {"file": name, **places}),
        ("again/start", {"name": name, **places}),
        (
            "train/preflight",
            {
                "embedding": {"name": "moth", "init": "red"},
                "data": {"folder": name, "template": place},
                "save": {"folder": place, "log_folder": place},
            },
        ),
    ]
    for route, values in asked:
        answer = client.post(f"{PREFIX}/{route}", content=encoded(values), headers={"content-type": "application/json"})
        assert answer.status_code in (200, 201, 202, 404, 409, 422), (route, answer.text)
        assert SECRET not in answer.content
    for route in ("library/file", "library/thumbnail"):
        file = name.encode(errors="replace").decode()
        answer = client.get(f"{PREFIX}/{route}", params={"file": file})
        assert answer.status_code in (200, 404, 422), (route, answer.text)
        assert SECRET not in answer.content
    assert outside(world) == before


def encoded(values: dict[str, Any]) -> bytes:
    import json

    return json.dumps(values).encode()  # half characters go as \ud800


@pytest.fixture
def elsewhere(world: Path) -> Iterator[Path]:
    here = Path.cwd()
    os.chdir(world / "outside")
    yield world / "outside"
    os.chdir(here)


def test_paths_are_not_those_of_the_folder_that_the_server_was_started_in(client: TestClient, elsewhere: Path) -> None:
    for folder in (" ", ".", "new", "sub/new"):
        values = {"name": "moth", "init": "red", "folder": folder, "overwrite": True}
        assert client.post(f"{PREFIX}/create", json=values).status_code == 201
    assert sorted(path.name for path in elsewhere.iterdir()) == [
        "secret",
        "secret.pt",
        "secret.safetensors",
        "secret.txt",
    ]


def test_pictures_to_describe_come_from_named_folders_alone(client: TestClient, world: Path) -> None:
    answer = client.post(f"{PREFIX}/describe/start", json={"pictures": str(world / "outside")})
    assert answer.status_code == 422
    (fault,) = answer.json()["faults"]
    assert fault["where"] == "pictures"
    assert "open more of them" in fault["hint"]


def test_training_pictures_come_from_named_folders_alone(client: TestClient, world: Path) -> None:
    def preflight(folder: str) -> Any:
        values = {"embedding": {"name": "moth"}, "data": {"folder": folder}}
        return client.post(f"{PREFIX}/train/preflight", json=values)

    refused = preflight(str(world / "outside"))
    assert refused.status_code == 422
    assert "open more of them" in refused.text
    for folder in (str(world / "pictures"), ".", str(world / "log")):
        assert "does not reach" not in preflight(folder).text, "empty folders are refused for being empty"


def test_a_picture_folder_that_is_nowhere_is_told_with_all_places_where_it_was_looked_for(
    client: TestClient, world: Path
) -> None:
    values = {"embedding": {"name": "moth"}, "data": {"folder": "nowhere"}}
    answer = client.post(f"{PREFIX}/train/preflight", json=values)
    assert answer.status_code == 422
    (fault,) = answer.json()["faults"]
    assert (fault["where"], fault["message"]) == ("data.folder", "there is no folder 'nowhere'")
    assert all(str(world / place) in fault["hint"] for place in ("pictures", "embeddings", "log"))


@pytest.mark.parametrize("config", CONFIGS)
def test_every_setting_that_takes_a_path_is_guarded(config: type, world: Path) -> None:
    """Should a new one come, it must be named in `Values`."""
    values = Values(App(ToyHost(world)), Access())
    for path, kind, _, about in walk_options(config):
        words = (path + " " + about.label + " " + about.help).lower()
        if kind is str and any(word in path for word in ("folder", "file", "dir", "path", "template", "other")):
            assert path in values._roots, path
        if kind is str and "director" in words:
            assert path in values._roots, path
