"""What the measurements of a run come to: which copy is best, whether the run may end, and a verdict in words. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NOTHING = 0.01
"""A score that fell by less than this share of the first one is one that did not fall."""
LONG = 2.0
"""Vectors of so many words' lengths drown the rest of a prompt."""
DROWNED = 0.5
"""Of what the other words of a prompt keep beside the plain word that disturbs them most: below this share they are drowned. No
absolute figure would do, for in small encoders a plain word too changes much."""
RISEN = 0.1
"""A share of all that was gained: held-out pictures that lost so much of it again are no longer learned, but forgotten."""


@dataclass(frozen=True)
class Measurement:
    """The loss on fixed samples after update `step`: `loss`, as the losses of updates are; `score`, weighted so that timesteps of
    little noise do not drown all others (debiased)."""

    step: int
    loss: float
    score: float


def best_of(measurements: Sequence[Measurement]) -> Measurement:
    """The first of the lowest score."""
    return min(measurements, key=lambda one: one.score)


def gain_of(measurements: Sequence[Measurement], since: int) -> float:
    """What the updates after `since` added, as a share of all that had been gained until then.

    Infinite where nothing had been; below zero where it became worse.
    """
    before = [one.score for one in measurements if one.step <= since]
    after = [one.score for one in measurements if one.step > since]
    if not before or not after:
        return float("inf")
    gained, more = before[0] - min(before), min(before) - min(after)
    return more / gained if gained > 0 else float("inf")


def is_settled(measurements: Sequence[Measurement], ends: Sequence[int], least: float) -> bool:
    """Whether the stage that ends with the newest measurement gained less than `least` of what the stages before it did.

    `ends` are the updates with which the schedule's stages end. The first stage never settles anything.
    """
    if not measurements or measurements[-1].step not in ends:
        return False
    earlier = [end for end in ends if end < measurements[-1].step]
    return bool(earlier) and gain_of(measurements, earlier[-1]) < least


@dataclass(frozen=True)
class Verdict:
    """`kind` is "nothing learned", "drowning", "memorising", "still learning" or "settled"; `reason` and `hint` are for people."""

    kind: str
    reason: str
    hint: str


def judge(
    measurements: Sequence[Measurement],
    losses: Sequence[float],
    lengths: Mapping[str, float],
    kept: float | None,
    held_out: bool,
    least: float = 0.1,
) -> list[Verdict]:
    """Every verdict that the figures give, the most serious first.

    `losses` are those of the run's updates, in order; `lengths` the vectors' by encoder, in lengths of words; `kept` how much
    of what the other words of a prompt say beside the initialization text they keep, as a share of what they keep beside the plain
    word that disturbs them most. `held_out` tells that the measured
    pictures were not trained on.
    """
    found = []
    if len(measurements) > 1:
        first, best, last = measurements[0], best_of(measurements), measurements[-1]
        gained = first.score - best.score
        if gained < NOTHING * first.score:
            found.append(
                Verdict(
                    "nothing learned",
                    f"the score was {first.score:.4f} at first and {best.score:.4f} at best",
                    "Try a higher learning rate or more steps, and look at whether the pictures show what is meant.",
                )
            )
        elif held_out and last.score - best.score > RISEN * gained and _falls(losses):
            found.append(
                Verdict(
                    "memorising",
                    f"pictures held out were best at step {best.step} ({best.score:.4f}) and are at {last.score:.4f} now, "
                    "while the training loss falls",
                    f"Take the copy of step {best.step}; more pictures, or fewer vectors, help.",
                )
            )
        elif len(measurements) > 2:
            more = gain_of(measurements, measurements[-2].step)
            if more >= least:
                found.append(
                    Verdict(
                        "still learning",
                        f"the last {last.step - measurements[-2].step} steps added {more:.0%} to what had been gained",
                        "Train longer: more steps, or another stage of the schedule.",
                    )
                )
            else:
                found.append(
                    Verdict(
                        "settled",
                        f"the last {last.step - measurements[-2].step} steps added {max(more, 0):.0%} to what had been gained",
                        "More steps would change little.",
                    )
                )
    found[:0] = _drowning(lengths, kept)
    return found


def _drowning(lengths: Mapping[str, float], kept: float | None) -> list[Verdict]:
    longest = max(lengths.values(), default=0.0)
    hint = "Cap the vectors' length, or take fewer steps or a lower rate; and see what a prompt with other words gives."
    if longest > LONG:
        return [Verdict("drowning", f"the vectors are {longest:.1f} times as long as words", hint)]
    if kept is not None and kept < DROWNED:
        reason = (
            f"beside it, the other words of a prompt keep {kept:.0%} of what they keep beside plain words, at the least"
        )
        return [Verdict("drowning", reason, hint)]
    return []


def _falls(losses: Sequence[float]) -> bool:
    """Whether the later half of the losses lies below the earlier one."""
    half = len(losses) // 2
    return half > 0 and sum(losses[-half:]) < sum(losses[:half])
