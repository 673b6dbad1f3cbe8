"""Settings from forms, commands and files: one that is misread trains something else than was asked."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.config.embeddings import CreateConfig
from lib_ti.config.options import Option, build_config, config_values, flatten, option, walk_options
from lib_ti.config.train import TrainConfig
from lib_ti.errors import Fault, InvalidConfig

NEEDED = {"embedding.name": "cat", "data.folder": "pictures"}


@dataclass(frozen=True)
class Part:
    count: int = option(1, "Count", "How many.", minimum=1, maximum=9)
    share: float = option(0.5, "Share", "How much.", minimum=0.0, maximum=1.0)


@dataclass(frozen=True)
class Small:
    name: str = option("", "Name", "What it is called.", required=True)
    kind: str = option("red", "Kind", "Which.", choices=("red", "green"))
    shown: bool = option(False, "Shown", "Whether it is.")
    seed: int = option(0, "Seed", "Any whole number.")
    part: Part = field(default_factory=Part)


def faults(config: type, values: dict[str, Any]) -> dict[str, Fault]:
    with pytest.raises(InvalidConfig) as caught:
        build_config(config, values)
    return {fault.where: fault for fault in caught.value.faults}


def test_flat_nested_and_mixed_values_build_the_same() -> None:
    flat = build_config(Small, {"name": "x", "part.count": 3, "part.share": 0.25})
    assert flat == Small("x", part=Part(3, 0.25))
    assert build_config(Small, {"name": "x", "part": {"count": 3, "share": 0.25}}) == flat
    assert build_config(Small, {"name": "x", "part": {"count": 3}, "part.share": 0.25}) == flat


def test_flatten_keeps_dotted_keys() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": 2}, "e.f": 3}) == {"a.b.c": 1, "a.d": 2, "e.f": 3}


@pytest.mark.parametrize(
    ("path", "raw", "value"),
    [
        ("part.count", "3", 3),
        ("part.count", " 3 ", 3),
        ("part.count", 3.0, 3),
        ("part.count", "3e0", 3),
        ("part.share", "1e-3", 1e-3),
        ("seed", "12345678901234567", 12345678901234567),
        ("seed", 12345678901234567, 12345678901234567),
        ("part.share", 1, 1.0),
        ("shown", "true", True),
        ("shown", "On", True),
        ("shown", 0, False),
        ("shown", "no", False),
        ("kind", "green", "green"),
        ("name", 7, "7"),
    ],
)
def test_text_of_commands_and_numbers_of_sliders_are_read_as_the_fields_type(path: str, raw: Any, value: Any) -> None:
    built = config_values(build_config(Small, {"name": "x", path: raw}))
    assert built[path] == value
    assert type(built[path]) is type(value)


@pytest.mark.parametrize(
    ("path", "raw", "said"),
    [
        ("part.count", "many", "not a number"),
        ("part.count", "1.5", "not a whole number"),
        ("part.count", None, "not a number"),
        ("part.count", True, "not a number"),
        ("part.count", "nan", "not a number"),
        ("part.share", "inf", "not a number"),
        ("part.share", 10**400, "not a number"),
        ("part.count", 0, "below the least of 1"),
        ("part.count", 10, "above the most of 9"),
        ("part.share", 1.01, "above the most of 1"),
        ("shown", "maybe", "neither true nor false"),
        ("kind", "gren", "not a choice"),
        ("name", "", "missing"),
        ("part.cuont", 1, "no such setting"),
        ("prat.count", 1, "no such setting"),
    ],
)
def test_a_bad_value_is_named_by_its_field(path: str, raw: Any, said: str) -> None:
    assert said in faults(Small, {"name": "x", path: raw})[path].message


def test_a_mistyped_name_or_choice_is_guessed() -> None:
    found = faults(Small, {"name": "x", "kind": "gren", "part.cuont": 2})
    assert found["kind"].hint == "did you mean green?"
    assert found["part.cuont"].hint == "did you mean part.count?"


def test_all_faults_come_at_once_also_those_between_fields() -> None:
    found = faults(
        TrainConfig, {"optim.lr": "0.1:5, x", "optim.steps": 0, "loss.weighting": "max", "data.width": 64, "no.such": 1}
    )
    assert {"embedding.name", "data.folder", "optim.lr", "optim.steps", "loss.weighting", "no.such"} <= found.keys()
    assert "data.height" in found
    (fault,) = faults(TrainConfig, {**NEEDED, "loss.timestep_min": 5, "loss.timestep_max": 4}).values()
    assert (fault.where, fault.message) == ("loss.timestep_max", "is below the least timestep of 5")


def test_a_wrong_schedule_keeps_its_caret() -> None:
    message = str(faults(TrainConfig, NEEDED | {"optim.lr": "0.1:5, x"})["optim.lr"])
    assert "0.1:5, x" in message
    assert "       ^" in message


def test_the_clip_schedule_matters_only_when_clipping() -> None:
    build_config(TrainConfig, NEEDED | {"optim.clip_at": "?"})
    assert "optim.clip_at" in faults(TrainConfig, NEEDED | {"optim.clip_at": "?", "optim.clip": "norm"})


def values_of(config: type) -> st.SearchStrategy[dict[str, Any]]:
    """Any legal values of a config's fields, each present or not."""

    def one(kind: type, about: Option) -> st.SearchStrategy[Any]:
        least, most = about.minimum, about.maximum
        if about.choices:
            return st.sampled_from(about.choices)
        if kind is bool:
            return st.booleans()
        if kind is int:
            return st.integers(None if least is None else int(least), None if most is None else int(most))
        if kind is float:
            return st.floats(least, most, allow_nan=False, allow_infinity=False)
        return st.text(min_size=int(about.required))

    options = {path: one(kind, about) for path, kind, _, about in walk_options(config)}
    needed = {path: options.pop(path) for path, _, _, about in walk_options(config) if about.required}
    for path in ("optim.lr", "optim.clip_at"):
        if path in options:
            options[path] = st.sampled_from(["0.005", "5e-3:10, 1e-4", "warmup:5, 0.01 cosine:99"])
    if "optim.name" in options:  # what the others refuse has tests of its own
        del options["optim.name"]
        needed["optim.name"] = st.just("adamw")  # also where a preset has another
    if "data.width" in options:  # both or none
        del options["data.width"], options["data.height"], options["loss.timestep_max"]
        for path in (
            "data.more",
            "data.name",
            "embedding.more",
            "embedding.negative",
        ):  # lines, and names they tell apart
            del options[path]
    return st.fixed_dictionaries(needed, optional=options)


@pytest.mark.parametrize("config", [TrainConfig, CreateConfig])
@given(data=st.data())
def test_settings_written_to_a_file_load_back_the_same(config: type, data: st.DataObject) -> None:
    given = data.draw(values_of(config))
    built = build_config(config, given)
    assert given.items() <= config_values(built).items()
    assert build_config(config, config_values(built)) == built
    assert build_config(config, {path: str(value) for path, value in config_values(built).items()}) == built


@pytest.mark.parametrize("config", [TrainConfig, CreateConfig])
def test_every_option_has_a_label_a_help_sentence_and_a_legal_default(config: type) -> None:
    for path, kind, default, about in walk_options(config):
        assert about.label, path
        assert about.help.endswith("."), path
        assert isinstance(default, kind), path
        assert not about.choices or default in about.choices, path
        assert about.minimum is None or default >= about.minimum, path
        assert about.maximum is None or default <= about.maximum, path
    defaults = {path: "x" for path, _, _, about in walk_options(config) if about.required}
    build_config(config, defaults)
