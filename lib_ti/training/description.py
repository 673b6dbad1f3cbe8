"""What pictures are in a model's own words: facts that every face shows, without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Candidate:
    """A token whose loss was compared. `text` is as the vocabulary writes it, without the mark that ends a word."""

    token: int
    text: str
    loss: float


@dataclass(frozen=True)
class FoundWord:
    """The best token at its place. `loss` is that of the prompt with all words up to this one; `share` of the loss without
    any is what this one took away; `others` are the next best, best first."""

    token: int
    text: str
    loss: float
    share: float
    others: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Description:
    """`words` in their order in the prompt, each a row of its own.

    `start_loss` is that of the neutral word in their place. `expression` gives exactly their rows; `text` are those that can be
    typed. `images` is the work: pictures learned from, of which one that is only compared counts a half. `stopped` tells that
    the user ended the search before its time.
    """

    folder: str
    pictures: int
    start_loss: float = 0.0
    words: tuple[FoundWord, ...] = ()
    expression: str = ""
    text: str = ""
    images: float = 0.0
    stopped: bool = False

    @property
    def loss(self) -> float:
        return self.words[-1].loss if self.words else self.start_loss

    @property
    def share(self) -> float:
        """Of the neutral word's loss, what all words took away."""
        return sum(word.share for word in self.words)

    def with_word(self, best: Candidate, others: tuple[Candidate, ...]) -> Description:
        share = (self.loss - best.loss) / self.start_loss
        word = FoundWord(best.token, best.text, best.loss, share, others)
        return replace(self, words=(*self.words, word))
