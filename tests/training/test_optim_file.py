"""A user would lose: the momentum of a training that was begun in A1111's own Train tab, or that is to go on there."""

import pickle
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import EmbeddingExists, InvalidConfig, InvalidEmbedding
from lib_ti.events import Event, Planned, StepDone, Warned
from lib_ti.formats.files import load_embedding, save_embedding
from lib_ti.formats.torch_file import read_torch_file
from lib_ti.formats.writing import write_torch_zip
from lib_ti.training.plan import plan_training
from lib_ti.training.run import train
from lib_ti.training.start import find_start
from lib_ti.training.state import checksum, load_optim, optim_path
from lib_ti.training.update import Trainee
from tests.toy_host import ToyHost

Settings = Callable[..., TrainConfig]
DATA = Path(__file__).parents[1] / "data"


class WideHost(ToyHost):
    """As wide as SD1, so that files of the real thing fit."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        chance = torch.Generator().manual_seed(5)
        self.widths = {"clip_l": 768}
        self.tables = {"clip_l": torch.randn(1000, 768, generator=chance) * 0.4}
        self.mix = torch.randn(768, 768, generator=chance) / 768**0.5
        self.look = torch.randn(768, 4, generator=chance)


@pytest.fixture
def host(tmp_path: Path) -> WideHost:
    """With the embedding that A1111 1.10.1 trained for 30 steps, and its `.optim`."""
    host = WideHost(tmp_path)
    host.embeddings_folder().mkdir()
    for suffix in ("", ".optim"):
        shutil.copy(DATA / f"a1111-sd1.pt{suffix}", host.embeddings_folder() / f"foo.pt{suffix}")
    return host


def run(host: ToyHost, config: TrainConfig) -> list[Event]:
    events: list[Event] = []
    train(host, plan_training(host, config), events.append, Control())
    return events


def warnings(events: list[Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Warned))


def adamw_step(vectors: torch.Tensor, gradient: torch.Tensor, optim: Path, rate: float) -> torch.Tensor:
    """One update as A1111's trainer would take it: torch's own reading of the file, its moments, our rate."""
    vectors = vectors.clone().requires_grad_()
    optimizer = torch.optim.AdamW([vectors], weight_decay=0.0)
    optimizer.load_state_dict(torch.load(optim, weights_only=True)["optimizer_state_dict"])
    for group in optimizer.param_groups:
        group["lr"] = rate
    vectors.grad = gradient
    optimizer.step()
    return vectors.detach()


def test_an_embedding_of_a1111_goes_on_at_its_step_with_its_momentum_and_our_rate(
    host: WideHost, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, gradients, update = host.embeddings_folder() / "foo.pt", [], Trainee.step_by

    def watched(self: Trainee, *rest: Any) -> None:
        gradients.append(self.vectors["foo"]["clip_l"].grad.clone())
        update(self, *rest)

    monkeypatch.setattr(Trainee, "step_by", watched)
    before = load_embedding(path).vectors["clip_l"]
    optim = Path(shutil.copy(optim_path(path), host.folder / "kept.optim"))
    events = run(host, settings(embedding__resume=True, optim__steps=31, optim__lr="0.005:10, 0.02:40"))
    assert [(event.step, event.rate) for event in events if isinstance(event, StepDone)] == [(31, 0.02)]
    wanted = adamw_step(before, gradients[0], optim, 0.02)
    after = load_embedding(path)  # in its own form: two files of one name would hide each other
    assert torch.equal(after.vectors["clip_l"], wanted)
    assert after.step == 31
    assert not path.with_suffix(".safetensors").exists()
    plan = next(event for event in events if isinstance(event, Planned))
    assert "Start: continued from foo at step 30, with the momentum of foo.pt.optim" in plan.lines
    assert "momentum" not in warnings(events)


def test_momentum_of_other_vectors_is_not_used_and_that_is_told(host: WideHost, settings: Settings) -> None:
    path = host.embeddings_folder() / "foo.pt"
    edited = load_embedding(path)
    save_embedding(Embedding("foo", {"clip_l": edited.vectors["clip_l"] + 1}, step=30, family="sd1"), path, True)
    start = find_start(host, settings(embedding__resume=True, optim__steps=40))
    assert start.state.moments == {}
    assert "foo.pt.optim is not used: It belongs to other vectors." in start.warnings[0]


def test_an_embedding_of_a1111_is_not_trained_anew_without_being_asked_to(host: WideHost, settings: Settings) -> None:
    with pytest.raises(EmbeddingExists, match=r"foo\.pt exists and is trained for 30 steps"):
        run(host, settings())
    with pytest.raises(InvalidConfig, match=r"foo\.pt exists"):
        run(ToyHost(host.folder, "sdxl"), settings(embedding__overwrite=True))


def test_a1111s_trainer_accepts_ours(tmp_path: Path, settings: Settings) -> None:
    """Its rules: the checksum of the vectors in the .pt, no record in the zip but those of old torch, AdamW's own state."""
    host = ToyHost(tmp_path)
    run(host, settings(save__format="pt", save__optim=True, optim__steps=6, optim__lr="0.01:3, 0.002"))
    path = host.embeddings_folder() / "foo.pt"
    vectors = torch.load(path, weights_only=True)["string_to_param"]["*"]
    saved = torch.load(optim_path(path), weights_only=True)
    assert saved["hash"] == checksum(vectors)
    optimizer = torch.optim.AdamW([vectors.clone().requires_grad_()], lr=1.0, weight_decay=0.0)
    optimizer.load_state_dict(saved["optimizer_state_dict"])
    assert float(optimizer.state_dict()["state"][0]["step"]) == 6
    assert optimizer.param_groups[0]["lr"] == 0.002  # which it keeps until its schedule's next stage
    with zipfile.ZipFile(optim_path(path)) as archive:
        assert {name.split("/", 1)[1].split("/")[0] for name in archive.namelist()} <= {"data.pkl", "data", "version"}
    copies = next(tmp_path.glob("log/*/foo/embeddings"))
    assert (copies / "foo-4.pt.optim").is_file()


def test_without_being_asked_no_optim_is_written(tmp_path: Path, settings: Settings) -> None:
    run(ToyHost(tmp_path), settings(save__format="pt", optim__steps=4))
    assert not list(tmp_path.rglob("*.optim"))


def test_the_checksum_is_a1111s() -> None:
    stored = torch.load(DATA / "a1111-sd1.pt.optim", weights_only=True)
    assert checksum(load_embedding(DATA / "a1111-sd1.pt").vectors["clip_l"]) == stored["hash"] == "7db9"


@pytest.mark.parametrize("spoil", ["state", "shape", "nan", "negative", "huge"])
def test_a_spoiled_optim_is_our_error(tmp_path: Path, spoil: str) -> None:
    vectors = torch.randn(2, 6)
    state = {"step": torch.tensor(3.0), "exp_avg": torch.randn(2, 6), "exp_avg_sq": torch.rand(2, 6)}
    state |= {"shape": {"exp_avg": torch.zeros(1, 6)}, "nan": {"exp_avg": torch.full((2, 6), float("nan"))}}.get(
        spoil, {}
    )
    state |= {"exp_avg_sq": -torch.ones(2, 6)} if spoil == "negative" else {}
    state |= {"step": 10**400} if spoil == "huge" else {}
    values = {"state": {} if spoil == "state" else {0: state}, "param_groups": []}
    saved = {"hash": checksum(vectors), "optimizer_state_dict": values}
    (tmp_path / "x.optim").write_bytes(write_torch_zip(saved))
    with pytest.raises(InvalidEmbedding, match=r"x\.optim"):
        load_optim(tmp_path / "x.optim", vectors)


def test_an_optim_that_would_run_something_runs_nothing(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    with zipfile.ZipFile(tmp_path / "x.optim", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"hash": Evil()}, protocol=2))
    with pytest.raises(InvalidEmbedding):
        load_optim(tmp_path / "x.optim", torch.zeros(1, 6))
    assert not (tmp_path / "ran").exists()


def moments_of(vectors: torch.Tensor, **more: Any) -> dict[str, Any]:
    state = {"step": torch.tensor(3.0), "exp_avg": torch.zeros_like(vectors), "exp_avg_sq": torch.zeros_like(vectors)}
    return {"hash": checksum(vectors), "optimizer_state_dict": {"state": {0: state | more}, "param_groups": []}}


@pytest.mark.parametrize("name", ["exp_avg", "exp_avg_sq", "step"])
def test_shapes_are_compared_before_a_number_is_read(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of two kilobytes took a gigabyte: one number can be called a tensor of any size."""
    vectors, path = torch.zeros(2, 6), tmp_path / "x.optim"
    huge = torch.zeros(1).expand(2**15, 2**13)
    path.write_bytes(write_torch_zip(moments_of(vectors, **{name: huge})))
    assert path.stat().st_size < 4000
    loads: list[object] = []
    monkeypatch.setattr(torch, "frombuffer", lambda *args, **more: loads.append(args))
    with pytest.raises(InvalidEmbedding, match="another shape"):
        load_optim(path, vectors)
    assert not loads


def test_an_embeddings_file_cannot_make_much_of_little_either(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"string_to_param": {"*": torch.zeros(1).expand(1024, 8192, 4)}}, path)
    with pytest.raises(InvalidEmbedding, match="1024x8192x4"):
        load_embedding(path)
    torch.save({"x": torch.zeros(1).expand(2**20, 2**10)}, path)
    with pytest.raises(InvalidEmbedding, match="far larger"):
        read_torch_file(path.read_bytes())["x"].load()


THINGS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.builds(torch.zeros, st.just(3)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(0, 3), inner, max_size=3)
    ),
    max_leaves=6,
)


@hypothesis_settings(max_examples=200, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_state_of_any_optimizer_is_used_or_told(tmp_path_factory: Any, data: st.DataObject) -> None:
    vectors, path = torch.zeros(2, 6), tmp_path_factory.mktemp("optim", numbered=True) / "x.optim"
    saved = moments_of(vectors)
    inner = saved["optimizer_state_dict"]["state"][0]
    for table in data.draw(st.lists(st.sampled_from([saved, saved["optimizer_state_dict"], inner]), max_size=2)):
        table[data.draw(st.sampled_from(sorted(table)) | st.text(max_size=3))] = data.draw(THINGS)
    shape = data.draw(st.lists(st.integers(0, 6), max_size=3))
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64, torch.int64, torch.bfloat16]))
    if data.draw(st.booleans()):
        inner[data.draw(st.sampled_from(sorted(inner)))] = torch.zeros(shape).to(dtype)
    path.write_bytes(write_torch_zip(saved))
    with suppress(InvalidEmbedding):
        moments = load_optim(path, vectors)
        assert {key: (tuple(one.shape), one.dtype) for key, one in moments.items() if key != "step"} == dict.fromkeys(
            ("exp_avg", "exp_avg_sq"), ((2, 6), torch.float32)
        )
