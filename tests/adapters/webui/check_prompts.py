"""Expressions in the prompts of pictures, whichever way the WebUI comes to make them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lib_ti.adapters.detect import webui_host
from lib_ti.adapters.webui import prompts
from lib_ti.adapters.webui.model import loaded_model
from lib_ti.adapters.webui.txt2img import forget_conditioning
from lib_ti.app import App
from lib_ti.embedding.embedding import Embedding
from lib_ti.errors import HostError, InvalidText
from lib_ti.formats.files import save_embedding

NAME, MIX = "zork", "'cat'*0.5+'dog'*0.5"
Make = Callable[..., Any]


@pytest.fixture(scope="session")
def app() -> App:
    return App(webui_host())


@pytest.fixture(autouse=True)
def hooks(app: App) -> Iterator[None]:
    forget_conditioning()
    prompts.install(app)
    yield
    prompts.remove()


@pytest.fixture
def make() -> Make:
    """The WebUI's answer to a request: `images` and `infotexts`."""

    def make(prompt: Any, kind: str = "Txt2Img", **options: Any) -> Any:
        from modules import processing, scripts, shared

        about = {"steps": 2, "seed": 1, "width": 64, "height": 64, "sampler_name": "Euler"}
        about |= {"do_not_save_samples": True, "do_not_save_grid": True}
        kind_of = getattr(processing, f"StableDiffusionProcessing{kind}")
        later = {name: options.pop(name) for name in ("scripts", "cached_c") if name in options}
        later = {"scripts": scripts.ScriptRunner(), "script_args": [], **later}
        with closing(kind_of(sd_model=shared.sd_model, prompt=prompt, **{**about, **options})) as p:
            for name, value in later.items():
                setattr(p, name, value)
            torch.manual_seed(1)  # img2img reads the picture it is given by chance
            return processing.process_images(p)

    return make


@pytest.fixture
def saved(app: App) -> Iterator[Callable[..., None]]:
    """Saves an expression as the embedding NAME; without `refresh` the WebUI does not hear of it, as when another program saves it."""
    path = app.host.embeddings_folder() / f"{NAME}.safetensors"

    def save(expression: str, refresh: bool = True) -> None:
        _, words = app.place_expressions([f"<{expression}>"])
        (vectors,) = words.values()
        save_embedding(Embedding(NAME, dict(vectors)), path, overwrite=True)
        if refresh:
            app.host.refresh_embeddings()

    yield save
    path.unlink(missing_ok=True)
    app.host.refresh_embeddings()


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prompts that were really encoded, and not taken from the WebUI's cache."""
    from modules import prompt_parser

    texts: list[str] = []
    original = prompt_parser.get_learned_conditioning_prompt_schedules

    def schedules(prompts: list[str], *args: Any, **options: Any) -> Any:
        texts.extend(prompts)
        return original(prompts, *args, **options)

    monkeypatch.setattr(prompt_parser, "get_learned_conditioning_prompt_schedules", schedules)
    return texts


def words(app: App) -> list[set[str]]:
    """What the WebUI's prompts know, by text encoder."""
    host: Any = app.host
    return [set(database.word_embeddings) for database in host._databases(loaded_model())]


def pixels(processed: Any, index: int = 0) -> np.ndarray:
    return np.asarray(processed.images[index], dtype=np.int16)


def made_of(prompt: str) -> str:
    """What the WebUI makes of a typed prompt before it does anything else: some strip it."""
    from modules import shared

    return str(shared.prompt_styles.apply_styles_to_prompt(prompt, []))


def paste(infotext: str) -> dict[str, Any]:
    from modules import infotext_utils

    parameters: dict[str, Any] = infotext_utils.parse_generation_parameters(infotext)
    prompts.restore_pasted(infotext, parameters)
    return parameters


def test_the_picture_is_that_of_the_same_vectors_in_a_file(make: Make, saved: Callable[..., None]) -> None:
    saved(MIX)
    typed = make(f"a photo of <{MIX}>, (big:1.2)", negative_prompt="{" + MIX + "}")
    filed = make(f"a photo of {NAME}, (big:1.2)", negative_prompt=NAME)
    other = make("a photo of cat, (big:1.2)", negative_prompt=NAME)
    assert np.array_equal(pixels(typed), pixels(filed))
    assert not np.array_equal(pixels(typed), pixels(other))


def test_attention_schedules_and_parts_stand_around_expressions(make: Make, saved: Callable[..., None]) -> None:
    saved(MIX)
    prompt = "[WORD:fog:0.5] AND (WORD:1.3) BREAK [sky|WORD]:0.7"
    typed, filed = (make(prompt.replace("WORD", word)) for word in (f"<{MIX}>", f" {NAME} "))
    assert np.array_equal(pixels(typed), pixels(filed))


def test_hires_prompts_hold_expressions_and_come_back_when_pasted(make: Make, saved: Callable[..., None]) -> None:
    saved(MIX)
    from modules import processing

    hires: dict[str, Any] = {"enable_hr": True, "hr_scale": 2.0, "hr_upscaler": "Latent", "denoising_strength": 0.7}
    if hasattr(processing.StableDiffusionProcessingTxt2Img, "hr_additional_modules"):
        hires["hr_additional_modules"] = ["Use same choices"]
    typed = make("sky", hr_prompt=f"  <{MIX}>", hr_negative_prompt=f"bad <{MIX}> ", **hires)
    filed = make("sky", hr_prompt=NAME, hr_negative_prompt=f"bad {NAME}", **hires)
    plain = make("sky", **hires)
    assert np.array_equal(pixels(typed), pixels(filed))
    assert not np.array_equal(pixels(typed), pixels(plain))
    pasted = paste(typed.infotexts[0])
    assert pasted["Prompt"] == "sky"
    assert pasted["Hires prompt"] == made_of(f"  <{MIX}>")
    assert pasted["Hires negative prompt"] == made_of(f"bad <{MIX}> ")


def test_each_picture_of_a_batch_has_its_own_expression_and_infotext(make: Make) -> None:
    typed = ["<'cat'>", "fog", " {'dog'*2}", "<'a, b: \"c\"'+'>'>\nline"]
    together = make(typed, negative_prompt=["", "<'fog'>", "", "\n<'sky'> "], batch_size=2, n_iter=2, seed=[3, 3, 3, 3])
    assert len(together.images) == len(typed)
    for number, prompt in enumerate(typed):
        assert "tilab" not in together.infotexts[number]
        assert paste(together.infotexts[number])["Prompt"] == made_of(prompt)
    assert paste(together.infotexts[3])["Negative prompt"] == made_of("\n<'sky'> ")
    assert not np.array_equal(pixels(together, 0), pixels(together, 2))


def test_img2img_and_runs_within_runs(make: Make, saved: Callable[..., None]) -> None:
    """As extensions paint faces anew: a list of prompts, none of the user's scripts, a cache of its own."""
    saved(MIX)
    image = Image.new("RGB", (64, 64), "gray")
    about = {"kind": "Img2Img", "init_images": [image], "denoising_strength": 0.9}
    typed, filed, plain = (
        make([prompt], cached_c=[None, None], **about) for prompt in (f"<{MIX}>", f" {NAME} ", "cat")
    )
    assert np.array_equal(pixels(typed), pixels(filed))
    assert not np.array_equal(pixels(typed), pixels(plain))


def test_the_cache_is_on_and_knows_what_an_expression_stands_for(
    make: Make, saved: Callable[..., None], encoded: list[str]
) -> None:
    saved("'cat'", refresh=False)
    prompt = f"a <'{NAME}'*2>"
    first = make(prompt)
    assert encoded
    encoded.clear()
    assert np.array_equal(pixels(make(prompt, steps=2)), pixels(first))
    assert encoded == []
    saved("'dog'", refresh=False)
    assert not np.array_equal(pixels(make(prompt)), pixels(first))
    assert any("tilab" in text for text in encoded)
    saved("'cat'", refresh=False)
    assert np.array_equal(pixels(make(prompt)), pixels(first))


def test_another_checkpoint_never_sees_the_vectors_of_the_first(make: Make) -> None:
    """As X/Y/Z plots change it, within one job after the other."""
    from modules import sd_models

    make("a")
    ours = loaded_model().sd_checkpoint_info.title
    others = [info for info in sd_models.checkpoints_list.values() if info.title != ours]
    if not others:
        pytest.skip("only one checkpoint at hand")
    title = min(others, key=lambda info: Path(info.filename).stat().st_size).title
    prompt = f"a <{MIX}>"
    try:
        before = make(prompt, override_settings={"sd_model_checkpoint": ours})
        second = make(prompt, override_settings={"sd_model_checkpoint": title})
        forget_conditioning()
        fresh = make(prompt, override_settings={"sd_model_checkpoint": title})
        assert np.array_equal(pixels(second), pixels(fresh))
    finally:
        after = make(prompt, override_settings={"sd_model_checkpoint": ours})
    assert np.array_equal(pixels(before), pixels(after))


@pytest.mark.parametrize("where", ["prompt", "negative_prompt", "hr_negative_prompt", "the last of a batch"])
def test_a_mistake_stops_the_job_before_its_first_picture_and_leaves_nothing(
    app: App, make: Make, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modules import processing

    picture, known = pixels(make("sky <'cat'>")), words(app)
    painted: list[Any] = []
    monkeypatch.setattr(
        processing.StableDiffusionProcessingTxt2Img, "sample", lambda *args, **options: painted.append(args)
    )
    wrong = "sky <'cat'**2>"
    request: dict[str, Any] = {"prompt": "sky", where: wrong}
    if where == "hr_negative_prompt":
        request |= {"enable_hr": True, "hr_upscaler": "Latent"}
    if where == "the last of a batch":
        request = {"prompt": ["<'cat'>", "sky", wrong]}
    with pytest.raises(InvalidText, match=r"\^"):
        make(**request)
    assert painted == []
    monkeypatch.undo()
    assert words(app) == known
    assert np.array_equal(pixels(make("sky <'cat'>")), picture)


def test_embeddings_that_are_refreshed_meanwhile_spoil_no_picture(
    app: App, make: Make, encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from modules import prompt_parser

    picture = pixels(make("sky <'cat'>"))
    forget_conditioning()
    original = prompt_parser.get_multicond_prompt_list

    def refresh(prompts: Any) -> Any:
        app.host._read_embeddings()  # type: ignore[attr-defined]
        return original(prompts)

    monkeypatch.setattr(prompt_parser, "get_multicond_prompt_list", refresh)
    with pytest.raises(HostError, match="refreshed"):
        make("sky <'cat'>")
    monkeypatch.undo()
    assert np.array_equal(pixels(make("sky <'cat'>")), picture)
    assert not any(name.startswith("tilab") for known in words(app) for name in known)


def test_comments_and_networks_in_an_expression_are_its_text(make: Make, encoded: list[str]) -> None:
    from modules import scripts

    runner = scripts.ScriptRunner()
    runner.initialize_scripts(is_img2img=False)
    runner.alwayson_scripts = [script for script in runner.alwayson_scripts if script.title() == "Comments"]
    typed = "a # <'it' b\n<'#1 cat <lora:x:1>'> # {'dog'}"
    processed = make(typed, scripts=runner)
    assert any(text.split()[:1] == ["a"] and text.count("tilab") == 1 for text in encoded)
    assert "<'#1 cat <lora:x:1>'>" in processed.infotexts[0]
    assert "<'it'" not in processed.infotexts[0]
    alone = make("a\n<'#1 cat <lora:x:1>'>")
    assert np.array_equal(pixels(processed), pixels(alone))


def test_the_token_counter_counts_rows(app: App, make: Make) -> None:
    make("a")  # some WebUIs load their model only now, and the counter loads none

    def count(text: str) -> int:
        counted = SimpleNamespace(prompt=text, steps=20, styles=[], is_positive=True)
        prompts.write_out(app, counted)
        return len(app.host.tokenize(counted.prompt))

    assert count("a photo of <'red cat':5>, big") == count("a photo of x x x x x, big") == 10
    assert count("a <''>") == 1
    assert count("it's <'open") == len(app.host.tokenize("it's <'open"))


def test_no_trace_when_removed(app: App) -> None:
    from modules import extra_networks, processing

    prompts.remove()
    owners = ((processing.StableDiffusionProcessing, "get_conds_with_caching"), (extra_networks, "parse_prompt"))
    before = [getattr(*owner) for owner in owners]
    prompts.install(app)
    prompts.install(app)
    assert all(getattr(*owner).__wrapped__ is original for owner, original in zip(owners, before, strict=True))
    prompts.remove()
    assert [getattr(*owner) for owner in owners] == before
