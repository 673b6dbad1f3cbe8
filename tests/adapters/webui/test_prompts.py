"""A user would lose: expressions in a WebUI's prompts, and prompts without them as they ever were; a WebUI whose own functions
are what they were, and other extensions that put theirs around them too."""

import json
import re
import sys
import timeit
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from lib_ti.adapters.webui import prompts
from lib_ti.app import App
from lib_ti.errors import InvalidText, TIError
from lib_ti.infotext import EXACT, read_infotext, write_infotext
from tests.adapters.fake_modules import put_modules
from tests.toy_host import ToyHost

Words = Mapping[str, Mapping[str, torch.Tensor]]


class SdConditioning(list[str]):
    """The WebUI's list of prompts; the size belongs to it."""

    width = 0


class Processing:
    """As the WebUI's: what was encoded last is kept by its text."""

    encoded: list[list[str]]

    def __init__(self, **prompts: list[str]) -> None:
        self.extra_generation_params: dict[str, Any] = {}
        self.encoded = []
        self.comments: dict[str, int] = {}
        vars(self).update(prompts)

    def comment(self, text: str) -> None:
        self.comments[text] = 1

    def get_conds_with_caching(
        self, function: Any, required_prompts: Any, steps: int, caches: list[list[Any]], *networks: Any
    ) -> Any:
        if caches[0][0] == (required_prompts, steps):
            return caches[0][1]
        self.encoded.append(required_prompts)
        caches[0][:] = (required_prompts, steps), function(required_prompts)
        return caches[0][1]


def parse_prompt(prompt: str) -> tuple[str, list[str]]:
    return re.sub(r"<\w+:[^>]+>", "", prompt), re.findall(r"<(\w+:[^>]+)>", prompt)


def strip_comments(prompt: str) -> str:
    return re.sub(r"#[^\n]*", "", prompt)


class WebuiHost(ToyHost):
    """Reads prompts word by word, and knows its words only meanwhile."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.known: Words = {}
        self.pending = ""

    def pending_model(self) -> str:
        return self.pending

    @contextmanager
    def prompt_words(self, extra: Words) -> Iterator[None]:
        self.known = extra
        try:
            yield
        finally:
            self.known = {}

    def encode(self, texts: list[str]) -> list[torch.Tensor]:
        rows = [[*self.known[word]["clip_l"]] if word in self.known else [] for text in texts for word in text.split()]
        return [row for word in rows for row in word]


@pytest.fixture
def host(tmp_path: Path) -> WebuiHost:
    return WebuiHost(tmp_path)


@pytest.fixture(params=["A1111", "Forge", "Classic"])
def webui(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """They differ in where they keep the file for comments that they have run."""
    file, comments = "/webui/modules/processing_scripts/comments.py", SimpleNamespace(strip_comments=strip_comments)
    styles = SimpleNamespace(
        apply_styles_to_prompt=lambda prompt, styles: ", ".join([prompt, *styles]),
        apply_negative_styles_to_prompt=lambda prompt, styles: prompt,
    )
    options = SimpleNamespace(data={}, include_styles_into_token_counters=True)
    options.get_default = lambda name: None
    parts: dict[str, dict[str, Any]] = {
        "processing": {"StableDiffusionProcessing": type("StableDiffusionProcessing", (Processing,), {})},
        "extra_networks": {"parse_prompt": parse_prompt},
        "script_loading": {} if request.param == "Classic" else {"loaded_scripts": {file: comments}},
        "scripts": {"scripts_data": [] if request.param == "Forge" else [SimpleNamespace(path=file, module=comments)]},
        "shared": {"opts": options, "prompt_styles": styles, "sd_model": SimpleNamespace()},
    }
    modules = put_modules(monkeypatch, "modules", parts)
    yield SimpleNamespace(**{name: getattr(modules, name) for name in parts}, comments=comments)
    prompts.remove()


@pytest.fixture
def install(webui: Any, host: WebuiHost) -> Any:
    prompts.install(App(host))  # type: ignore[arg-type]
    return webui


def encode(webui: Any, host: WebuiHost, texts: list[str], cache: list[Any] | None = None, **attributes: Any) -> Any:
    p = webui.processing.StableDiffusionProcessing(**attributes)
    conditioning = SdConditioning(texts)
    conditioning.width = 64
    cache = [None, None] if cache is None else cache
    return p, p.get_conds_with_caching(host.encode, conditioning, 20, [cache], {})


@pytest.mark.parametrize("wrong", ["a <'cat'*>", "a <'cat'/0>"])
def test_a_mistake_in_a_request_is_answered_as_the_askers(install: Any, host: WebuiHost, wrong: str) -> None:
    """The WebUI's API takes the status from what an error carries, and says 500, as of a bug, where it carries none."""
    with pytest.raises(TIError) as raised:
        encode(install, host, [wrong])
    assert vars(raised.value)["status_code"] == 422
    assert vars(raised.value)["detail"] == str(raised.value)


def test_an_expression_stands_for_its_vectors_while_its_prompt_is_encoded(install: Any, host: WebuiHost) -> None:
    p, rows = encode(install, host, ["a [<'cat'*2>:{'fog'}:0.5]", "plain"])
    cat, fog = (host.token_vectors(host.tokenize(word), "clip_l")[0] for word in ("cat", "fog"))
    assert torch.equal(rows[0], cat * 2)
    assert torch.equal(rows[1], fog)
    (encoded,) = p.encoded
    assert type(encoded) is SdConditioning
    assert encoded.width == 64
    assert encoded[1] == "plain"
    assert host.known == {}


def test_a_prompt_without_expressions_is_handed_on_as_it_is(install: Any, host: WebuiHost) -> None:
    p = install.processing.StableDiffusionProcessing(all_prompts=["it's < 'a'>"])
    typed = SdConditioning(["it's < 'a'>"])
    p.get_conds_with_caching(host.encode, typed, 20, [[None, None]], {})
    assert p.encoded[0] is typed
    assert p.extra_generation_params == {}


def test_switched_off_in_the_settings_expressions_are_plain_text(install: Any, host: WebuiHost) -> None:
    install.shared.opts.data["ti_lab_expressions"] = False
    p, rows = encode(install, host, ["a <'cat'**2>"])
    assert p.encoded == [["a <'cat'**2>"]]
    assert (rows, p.extra_generation_params) == ([], {})
    assert install.comments.strip_comments("<'#1'>") == "<'"


def test_prompts_without_expressions_pay_microseconds(webui: Any, host: WebuiHost) -> None:
    texts = SdConditioning(["a photo of a cat, it's raining, (fog:1.2), " * 10] * 4)
    p = webui.processing.StableDiffusionProcessing(all_prompts=list(texts) * 4, all_negative_prompts=list(texts) * 4)
    cache: list[Any] = [None, None]

    def cost() -> float:
        run = lambda: p.get_conds_with_caching(host.encode, texts, 20, [cache], {})  # noqa: E731
        return min(timeit.repeat(run, number=100, repeat=5)) / 100

    without = cost()
    prompts.install(App(host))  # type: ignore[arg-type]
    assert cost() - without < 200e-6


def test_the_cache_serves_the_same_vectors_and_no_others(install: Any, host: WebuiHost) -> None:
    cache: list[Any] = [None, None]
    first, rows = encode(install, host, ["<'cat'>"], cache)
    again, same = encode(install, host, ["<'cat'>"], cache)
    assert (len(first.encoded), len(again.encoded)) == (1, 0)
    assert same is rows
    host.tables["clip_l"] *= 2  # another model, or another file behind a name
    other, doubled = encode(install, host, ["<'cat'>"], cache)
    assert len(other.encoded) == 1
    assert torch.equal(doubled[0], rows[0] * 2)


def test_a_mistake_anywhere_in_the_job_stops_it_at_its_first_prompt(install: Any, host: WebuiHost) -> None:
    for name in ("all_prompts", "all_negative_prompts", "all_hr_prompts", "all_hr_negative_prompts"):
        with pytest.raises(InvalidText, match=r"\^"):
            encode(install, host, ["sky"], **{name: ["sky", "a <'cat'**2>"]})
    assert host.known == {}
    _, rows = encode(install, host, ["<'cat'>"])
    assert len(rows) == 1


@pytest.fixture
def silent_thread(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """As reForge's: what a picture raises is printed, and nothing is answered."""

    def run_and_wait_result(make: Any, *args: Any) -> Any:
        try:
            return make(*args)
        except (InvalidText, ZeroDivisionError):
            return None

    thread = ModuleType("modules_forge.main_thread")
    thread.run_and_wait_result = run_and_wait_result  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, thread.__name__, thread)
    return thread


def test_a_mistake_is_reported_where_the_webui_would_only_print_it(
    silent_thread: Any, install: Any, host: WebuiHost
) -> None:
    with pytest.raises(InvalidText, match=r"\^"):
        silent_thread.run_and_wait_result(lambda text: encode(install, host, [text]), "a <'cat'**2>")
    assert silent_thread.run_and_wait_result(lambda text: encode(install, host, [text])[1], "a <'cat'>")
    assert silent_thread.run_and_wait_result(lambda: 1 / 0) is None, "its own faults stay its own"


def test_each_infotext_brings_back_what_was_typed(install: Any, host: WebuiHost) -> None:
    typed, negative = [" <'cat'>", "fog", "a <'b'>"], ["", "\n{'x'} ", ""]
    p, _ = encode(install, host, typed, all_prompts=typed, all_negative_prompts=negative)
    for index in range(3):
        exact = p.extra_generation_params[EXACT](
            p=p, index=index, prompt_text=typed[index], negative_prompt=negative[index]
        )
        shown = {"Prompt": typed[index], "Negative prompt": negative[index], "Steps": "1", "Seed": "2", "Size": "3"}
        parameters = read_infotext(write_infotext(shown | ({EXACT: exact} if exact else {})))
        prompts.restore_pasted("", parameters)
        assert (parameters["Prompt"], parameters["Negative prompt"]) == (typed[index], negative[index])
    assert exact is None  # the last one survives without
    assert json.dumps(p.extra_generation_params), "Forge Classic sends its page so what it has made"


def test_hires_prompts_are_kept_too(install: Any, host: WebuiHost) -> None:
    p, _ = encode(install, host, ["sky"], all_hr_prompts=[" <'cat'>"], all_hr_negative_prompts=[""], enable_hr=True)
    exact = p.extra_generation_params[EXACT](p=p, index=0, prompt_text="sky", negative_prompt="", all_seeds=[1])
    assert " <'cat'>" in exact


def test_what_the_embedding_merge_extension_has_placed_is_left_alone(install: Any, host: WebuiHost) -> None:
    p, rows = encode(install, host, ["a <'EM_1'> {'EM-12'}"])
    assert p.encoded == [["a <'EM_1'> {'EM-12'}"]]
    assert rows == []
    assert p.extra_generation_params == {}


def test_leading_signs_make_no_difference_and_what_is_nearly_right_is_told_under_the_picture(
    install: Any, host: WebuiHost
) -> None:
    p, rows = encode(install, host, ["<('cat'+'fog')*0.5> <-'cat'>", "<-'cat'*> <lora:it's:1> <3"])
    cat, fog = (host.token_vectors(host.tokenize(word), "clip_l")[0] for word in ("cat", "fog"))
    assert torch.equal(torch.stack(rows), torch.stack([(cat + fog) * 0.5, -cat]))
    assert p.encoded[0][1] == "<-'cat'*> <lora:it's:1> <3"
    (comment,) = p.comments
    assert "<-'cat'*> is nearly an expression" in comment
    assert install.comments.strip_comments("<('#1')> <-'#2'> # 3") == "<('#1')> <-'#2'> "
    assert install.extra_networks.parse_prompt("<-'<lora:x:1>'>") == ("<-'<lora:x:1>'>", [])


def test_comments_and_networks_keep_their_hands_off_expressions(install: Any) -> None:
    assert install.comments.strip_comments("a <'#1 cat'> # <'x\n{'b'}") == "a <'#1 cat'> \n{'b'}"
    rest, networks = install.extra_networks.parse_prompt("a <'<lora:x:1>'> <lora:y:1>")
    assert (rest, networks) == ("a <'<lora:x:1>'> ", ["lora:y:1"])


def test_the_token_counter_sees_as_many_tokens_as_rows(install: Any, host: WebuiHost) -> None:
    def count(prompt: str, styles: list[str], is_positive: bool = True) -> tuple[str, list[str]]:
        counted = SimpleNamespace(prompt=prompt, styles=styles, is_positive=is_positive, steps=20)
        prompts.write_out(App(host), counted)  # type: ignore[arg-type]
        return " ".join(counted.prompt.split()), counted.styles

    assert count("b <'red cat':3>, c", []) == ("b a a a , c", [])
    assert count("b", ["<'cat'>"]) == ("b, a", [])
    assert count("b", ["<'cat'>"], is_positive=False) == ("b", ["<'cat'>"])
    assert count("b <'cat'", ["c"]) == ("b <'cat'", ["c"])
    host.pending = "a model to load"
    assert count("b <'cat'>", []) == ("b <'cat'>", [])


def test_names_of_ours_stay_out_of_infotexts(install: Any, host: WebuiHost) -> None:
    def read(texts: list[str]) -> None:
        install.shared.sd_model.extra_generation_params = {"TI": ", ".join(["mine", *host.known])}

    p = install.processing.StableDiffusionProcessing()
    p.get_conds_with_caching(read, SdConditioning(["mine <'cat'>"]), 20, [[None, None]], {})
    assert install.shared.sd_model.extra_generation_params == {"TI": "mine"}


def test_nothing_is_left_when_the_webui_unloads_us(webui: Any, host: WebuiHost, silent_thread: Any) -> None:
    owners = [
        (silent_thread, "run_and_wait_result"),
        (webui.processing.StableDiffusionProcessing, "get_conds_with_caching"),
    ]
    owners += [(webui.extra_networks, "parse_prompt"), (webui.comments, "strip_comments")]
    before = [getattr(*owner) for owner in owners]
    for _ in range(2):
        prompts.install(App(host))  # type: ignore[arg-type]
    assert all(getattr(*owner).__wrapped__ is was for owner, was in zip(owners, before, strict=True))
    prompts.remove()
    assert [getattr(*owner) for owner in owners] == before


def shout(original: Callable[[str], str], text: str) -> str:
    return original(text).upper() + "!"


@pytest.fixture
def speaker() -> Any:
    return SimpleNamespace(say=lambda text: f"say {text}")


def test_a_function_is_ours_while_installed_and_then_itself_again(speaker: Any) -> None:
    before, hook = speaker.say, prompts.Hook(speaker, "say")
    hook.install(shout)
    assert speaker.say("a") == "SAY A!"
    assert hook.remove()
    assert speaker.say is before


def test_installing_again_does_not_stack(speaker: Any) -> None:
    hook = prompts.Hook(speaker, "say")
    for _ in range(3):
        hook.install(shout)
    assert speaker.say("a") == "SAY A!"


def test_under_another_extension_ours_sleeps_and_wakes_again(speaker: Any) -> None:
    hook = prompts.Hook(speaker, "say")
    hook.install(shout)
    ours = speaker.say
    speaker.say = lambda text: f"({ours(text)})"
    assert not hook.remove()
    assert speaker.say("a") == "(say a)"
    hook.install(shout)
    assert speaker.say("a") == "(SAY A!)"
