"""Expressions in the prompts of every picture that the WebUI makes, whoever asks for it: its tabs, its API, scripts, extensions.

All have their prompts encoded by one method of the WebUI, after its comments, styles and LoRAs and before its syntax for
attention and scheduling. There each expression becomes a word that is known for the time of the call and is named after
its vectors: the WebUI keeps what it has encoded by the text, so neither another model nor a changed embedding file is ever
drawn with old vectors. Everywhere else prompts stay as they were typed, in infotexts too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lib_ti.adapters.webui.settings import expressions_wanted
from lib_ti.errors import HostError, TIError
from lib_ti.expression.parser import parse_expression
from lib_ti.expression.prompt import (
    advise_prompt,
    find_expressions,
    hide_expressions,
    may_hold_expression,
    rewrite_prompt,
)
from lib_ti.infotext import EXACT, HIRES_NEGATIVE, HIRES_PROMPT, NEGATIVE, PROMPT, exact_prompts, restore_prompts

if TYPE_CHECKING:
    from torch import Tensor

    Words = Mapping[str, Mapping[str, Tensor]]

_PROMPTS = ("all_prompts", "all_negative_prompts", "all_hr_prompts", "all_hr_negative_prompts")
_ONE_TOKEN = "a"
_hooks: dict[tuple[int, str], Hook] = {}


class Host(Protocol):
    def pending_model(self) -> str: ...

    def prompt_words(self, extra: Words) -> AbstractContextManager[None]: ...


class App(Protocol):
    """What is asked of `lib_ti.app.App`."""

    @property
    def host(self) -> Host: ...

    def place_expressions(self, prompts: Sequence[str]) -> tuple[list[str], Words]: ...

    def count_rows(self, expression: str) -> int: ...


def register(app: App) -> None:
    """Sign in with the WebUI, which then calls us when it is ready, and when it unloads its scripts."""
    from modules import script_callbacks

    script_callbacks.on_before_ui(lambda: install(app))
    script_callbacks.on_script_unloaded(remove)
    script_callbacks.on_infotext_pasted(restore_pasted)
    if hasattr(script_callbacks, "on_before_token_counter"):
        script_callbacks.on_before_token_counter(lambda counted: write_out(app, counted))


def install(app: App) -> None:
    """Put our functions around the WebUI's. Doing it twice is the same as once."""
    from modules import extra_networks, processing

    def encode(
        original: Callable[..., Any], p: Any, function: Any, required_prompts: Any, *args: Any, **kwargs: Any
    ) -> Any:
        with _answerable():
            _note(p, required_prompts)
        if not any(map(_may_hold, required_prompts)):
            return original(p, function, required_prompts, *args, **kwargs)
        with _answerable():
            texts, words = app.place_expressions(required_prompts)
        prompts = copy(required_prompts)  # the WebUI's kind of list, which knows the picture's size
        prompts[:] = texts
        with app.host.prompt_words(words):
            encoded = original(p, function, prompts, *args, **kwargs)
        _sign_off(words)
        return encoded

    _hook(processing.StableDiffusionProcessing, "get_conds_with_caching", encode)
    _hook(extra_networks, "parse_prompt", _parse_networks)
    for module in _comment_modules():
        _hook(module, "strip_comments", _strip_comments)
    for module in _silent_threads():
        _hook(module, "run_and_wait_result", _report_mistakes)


@contextmanager
def _answerable() -> Iterator[None]:
    """What is wrong with a prompt of a request is the asker's fault: the WebUI's API answers with what an error carries by these
    names, else with 500, as if it had failed itself."""
    try:
        yield
    except TIError as error:
        error.status_code = 503 if isinstance(error, HostError) else 422  # type: ignore[attr-defined]
        error.detail = str(error)  # type: ignore[attr-defined]
        raise


def remove() -> None:
    for key in [key for key, hook in _hooks.items() if hook.remove()]:
        del _hooks[key]


def restore_pasted(infotext: str, parameters: dict[str, Any]) -> None:
    """What the WebUI has read from a pasted infotext becomes what was typed."""
    parameters.update(restore_prompts(parameters))


def write_out(app: App, counted: Any) -> None:
    """For the token counter: as many words of one token as an expression has rows, in the prompt and in its styles."""
    from modules import shared

    if app.host.pending_model():
        return  # whoever types does not wait for a model
    prompt, styles = counted.prompt, counted.styles
    if styles and shared.opts.include_styles_into_token_counters:
        known = shared.prompt_styles
        apply = known.apply_styles_to_prompt if counted.is_positive else known.apply_negative_styles_to_prompt
        prompt, styles = apply(prompt, styles), []
    if _may_hold(prompt):
        try:
            prompt = rewrite_prompt(prompt, lambda text: " ".join([_ONE_TOKEN] * app.count_rows(text)))
        except TIError:
            return  # of an expression that is not complete yet, its letters are counted
        counted.prompt, counted.styles = prompt, styles


def _may_hold(prompt: str) -> bool:
    return may_hold_expression(prompt) and expressions_wanted()


def _hook(owner: Any, name: str, around: Callable[..., Any]) -> None:
    _hooks.setdefault((id(owner), name), Hook(owner, name)).install(around)


def _note(p: Any, required_prompts: Iterable[str]) -> None:
    """At the first prompts of a job: all its expressions are read, so that a mistake is reported before any picture is made,
    and its infotexts will hold what was typed."""
    prompts = {*required_prompts, *(text for name in _PROMPTS for text in getattr(p, name, None) or ())}
    if EXACT in p.extra_generation_params or not any(map(_may_hold, prompts)):
        return
    for prompt in sorted(prompts):
        for advice in advise_prompt(prompt):
            p.comment(f"{advice.message} {advice.hint}")  # shown under the picture, once
    expressions = [parse_expression(found.text) for prompt in prompts for found in find_expressions(prompt)]
    if expressions:
        p.extra_generation_params[EXACT] = _Exact()


def _sign_off(words: Words) -> None:
    """Forge notes for the infotext which embeddings it has read; ours are nobody's."""
    from modules import shared

    notes = getattr(shared.sd_model, "extra_generation_params", {})
    if notes.get("TI"):
        notes["TI"] = ", ".join(name for name in notes["TI"].split(", ") if name not in words) or None


class _Exact(str):
    """The WebUI calls it for each infotext, with its own variables by name. And a text, for Forge Classic writes the settings
    of a job as JSON."""

    def __call__(self, p: Any, index: int, prompt_text: str, negative_prompt: str, **_: Any) -> str | None:
        prompts = {PROMPT: prompt_text, NEGATIVE: negative_prompt}
        if getattr(p, "enable_hr", False):
            prompts |= {HIRES_PROMPT: p.all_hr_prompts[index], HIRES_NEGATIVE: p.all_hr_negative_prompts[index]}
        return exact_prompts(prompts).get(EXACT)


def _parse_networks(original: Callable[[str], Any], prompt: str) -> Any:
    """`<lora:…>` in an expression's text is plain text."""
    if not _may_hold(prompt):
        return original(prompt)
    hidden, show = hide_expressions(prompt, comments=False)
    rest, networks = original(hidden)
    return show(rest), networks


def _strip_comments(original: Callable[[str], str], prompt: str) -> str:
    """So is a `#`."""
    if not _may_hold(prompt):
        return original(prompt)
    hidden, show = hide_expressions(prompt, comments=True)
    return show(original(hidden))


def _report_mistakes(original: Callable[..., Any], make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What is wrong with a prompt is raised again where the WebUI shows it under the picture."""
    mistakes: list[TIError] = []

    @wraps(make)
    def watched(*args: Any, **kwargs: Any) -> Any:
        try:
            return make(*args, **kwargs)
        except TIError as error:
            mistakes.append(error)
            raise

    result = original(watched, *args, **kwargs)
    if mistakes:
        raise mistakes[0]
    return result


def _silent_threads() -> list[Any]:
    """reForge and Forge Classic make the pictures of their tabs in a thread that only prints what goes wrong, and answer
    with nothing; the other Forges remember it."""
    thread = sys.modules.get("modules_forge.main_thread")
    silent = hasattr(thread, "run_and_wait_result") and not hasattr(thread, "last_exception")
    return [thread] if silent else []


def _comment_modules() -> list[Any]:
    """Of the WebUI's file for comments, which it runs as a script, and some WebUIs import as well."""
    from modules import script_loading, scripts

    run = [(one.path, one.module) for one in scripts.scripts_data]
    run += getattr(script_loading, "loaded_scripts", {}).items()  # Forge's file holds no script; Classic keeps no list
    loaded = {Path(path).parts[-2:]: module for path, module in run}
    modules = (
        loaded.get(("processing_scripts", "comments.py")),
        sys.modules.get("modules.processing_scripts.comments"),
    )
    return [module for module in modules if hasattr(module, "strip_comments")]


class Hook:
    """A function of the WebUI with ours around it: calls of `owner.name` go to `around(original, …)` instead, while installed.

    Where another extension has put its own function around ours meanwhile, ours stays and only passes on, and `install`
    wakes it there: however often the WebUI builds its page anew, there is one.
    """

    def __init__(self, owner: Any, name: str) -> None:
        self._owner, self._name = owner, name
        self._around: Callable[..., Any] | None = None
        self._original: Any = None
        self._ours: Any = None

    def install(self, around: Callable[..., Any]) -> None:
        self._around = around
        if self._ours is not None:
            return
        original = self._original = getattr(self._owner, self._name)

        @wraps(original)
        def ours(*args: Any, **kwargs: Any) -> Any:
            around = self._around
            return around(original, *args, **kwargs) if around else original(*args, **kwargs)

        self._ours = ours
        setattr(self._owner, self._name, ours)

    def remove(self) -> bool:
        """Whether the function is gone, and not only asleep."""
        self._around = None
        if self._ours is not None and getattr(self._owner, self._name) is self._ours:
            setattr(self._owner, self._name, self._original)
            self._ours = None
        return self._ours is None
