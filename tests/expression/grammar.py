"""Random expressions, right and nearly right, and what they mean: a second evaluator, in numpy, written from the grammar alone.

It shares no code with the product: it reads characters, where the product reads lexemes, and computes while it reads, where the
product builds a tree. Texts are tokenised by one rule that both are given.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

ROWS, NESTING, VOCABULARY = 1_024, 100, 49_408
Value = dict[str, np.ndarray]
"""[V, D] float64 by encoder."""


class Refused(Exception):
    """The text is no expression, or cannot be computed."""


@dataclass
class World:
    """`tables` [vocabulary, D] by encoder: a token's row is its id modulo the table's length. `padding` is an id by encoder."""

    tables: Mapping[str, np.ndarray]
    padding: Mapping[str, int]
    names: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    def words(self, text: str) -> list[int]:
        """A token for each run of letters, each digit and each other sign."""
        return [1 + sum(map(ord, word)) % 900 for word in re.findall(r"[^\W\d_]+|\S", text)]

    def rows(self, encoder: str, token: int) -> np.ndarray:
        table = self.tables[encoder]
        return table[token % len(table)].astype(np.float64)


class Evaluator:
    """One walk over the characters. Raises Refused where the grammar or a limit is broken."""

    def __init__(self, text: str, world: World) -> None:
        self.text, self.world, self.at, self.open = text, world, 0, 0

    def whole(self) -> Value:
        value = self.sum()
        if self.peek():
            raise Refused
        for matrix in value.values():
            if np.abs(matrix).max(initial=0) > 3.4e38:
                raise Refused
        return value

    def peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def take(self, signs: str) -> str:
        sign = self.peek()
        if sign and sign in signs:
            self.at += 1
            return sign
        return ""

    def sum(self) -> Value:
        total: Value | None = None
        sign = -1 if self.take("-") else 1
        while True:
            total = self.term(total, sign)
            operator = self.take("+-")
            if not operator:
                return total
            sign = 1 if operator == "+" else -1
            if self.take("-"):
                sign = -sign

    def term(self, total: Value | None, sign: int) -> Value:
        value = self.primary()
        while operator := self.take("*/:,@="):
            if operator == "=":
                operator = self.take("*/:")
                if not operator:
                    raise Refused
                value, total, sign = self.added(total, value, sign), None, 1
            value = self.postfix(value, operator)
        return self.added(total, value, sign)

    def primary(self) -> Value:
        if self.peek() == "'":
            return self.string()
        if not self.take("("):
            raise Refused
        value = self.sum()
        if not self.take(")"):
            raise Refused
        return value

    def added(self, total: Value | None, value: Value, sign: int) -> Value:
        if total is None:
            return {key: sign * v for key, v in value.items()}
        rows = max(len(next(iter(total.values()))), len(next(iter(value.values()))))
        return {key: sized(total[key], rows) + sign * sized(value[key], rows) for key in value}

    def string(self) -> Value:
        found = re.compile(r"'((?:[^']|'')*)'(?!')").match(self.text, self.at)
        if not found:
            raise Refused
        self.at = found.end()
        words = self.world.words(found[1].replace("''", "'").lstrip().lower())
        value: Value = {}
        for encoder, table in self.world.tables.items():
            rows = [np.zeros((0, table.shape[1]))]
            at = 0
            while at < len(words):
                names = [n for n in self.world.names if (w := self.world.words(n)) and words[at : at + len(w)] == w]
                if names:
                    best = max(names, key=lambda name: len(self.world.words(name)))
                    rows.append(self.world.names[best][encoder].astype(np.float64))
                    at += len(self.world.words(best))
                else:
                    rows.append(self.world.rows(encoder, words[at])[None])
                    at += 1
            value[encoder] = np.concatenate(rows)
        return bounded(value)

    def number(self, pattern: str) -> str:
        self.peek()
        found = re.compile(pattern).match(self.text, self.at)
        if not found:
            raise Refused
        self.at = found.end()
        return found[0]

    def decimal(self) -> float:
        sign = -1.0 if (taken := self.take("+-")) == "-" else 1.0
        del taken
        value = float(self.number(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"))
        if value == float("inf"):
            raise Refused
        return sign * value

    def digits(self) -> int:
        word = self.number(r"[0-9]+")
        # "1.5" and "1e3" are one number each, and "12ab" has no place after it either
        if len(word) > 9 or re.compile(r"\.|[eE][+-]?[0-9]").match(self.text, self.at):
            raise Refused
        return int(word)

    def encoder(self) -> str:
        self.peek()
        word = self.number(r"[^\W\d_]\w*")
        if word not in ("L", "G") or set(self.world.tables) != {"clip_l", "clip_g"}:
            raise Refused
        return f"clip_{word.lower()}"

    def postfix(self, value: Value, operator: str) -> Value:
        rows = len(next(iter(value.values())))
        if operator in "*/":
            factor = self.decimal()
            which = self.encoder() if re.match(r"[^\W\d_]", self.peek()) else ""
            if operator == "/" and factor == 0:
                raise Refused
            with np.errstate(over="ignore"):
                return {
                    key: (v * factor if operator == "*" else v / factor) if which in ("", key) else v
                    for key, v in value.items()
                }
        if operator == "@":
            which = self.encoder()
            return {key: v if key == which else np.zeros_like(v) for key, v in value.items()}
        if operator == ":":
            sign = self.take("+-")
            amount = self.digits()
            if not sign:
                if amount > ROWS:
                    raise Refused
                return {key: sized(v, amount) for key, v in value.items()}
            by = amount if sign == "+" else -amount
            return {key: np.roll(v, by % rows, axis=0) if rows else v for key, v in value.items()}
        added = self.string() if self.peek() == "'" else self.token()
        return bounded({key: np.concatenate([v, added[key]]) for key, v in value.items()})

    def token(self) -> Value:
        start = self.peek() and self.at
        number = self.digits()
        word = self.text[start : self.at].strip() if isinstance(start, int) else ""
        special = {"0": 0, "00": None, "000": 49_407, "0000": 49_406}
        if word in special:
            token = special[word]
        elif word.startswith("0") or number >= VOCABULARY:
            raise Refused
        else:
            token = number
        world = self.world
        return {key: world.rows(key, world.padding[key] if token is None else token)[None] for key in world.tables}


def sized(matrix: np.ndarray, rows: int) -> np.ndarray:
    missing = max(0, rows - len(matrix))
    return np.concatenate([matrix[:rows], np.zeros((missing, matrix.shape[1]))])


def bounded(value: Value) -> Value:
    if len(next(iter(value.values()))) > ROWS:
        raise Refused
    return value


TEXTS = ("cat", "dog", "Red  Cat", "", " ", "it''s", "my-star", "a, b", ">, <''", "mine too", "(a:1.5)", "é猫", "{x}")
NUMBERS = ("2", "-1", "+.5", "0.25", "1e2", "-2.5e-2", "00.10", ".5", "5.", "-3.", "0", "5.e-1", "- 2")
TOKENS = ("0", "00", "000", "0000", "1", "256", "49407", "320")
SLIPS = "'\"+-*/:,=@()LG0123456789. ea<>{}‘\n"


class Generator:
    """Draws by the grammar. A quarter of what it draws has a slip or two."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def draw(self) -> str:
        text = self.sum(3)
        if self.chance.random() < 0.25:
            for _ in range(self.chance.choice((1, 1, 1, 2))):
                text = self.slip(text)
        return text

    def sum(self, depth: int) -> str:
        chance = self.chance
        text = chance.choice(("", "", "", "-", " - ")) + self.term(depth)
        while chance.random() < 0.45:
            text += chance.choice(("+", "-", " + ", " - ", "- -", "+-", "\n+ ")) + self.term(depth)
        return text

    def term(self, depth: int) -> str:
        chance = self.chance
        bracket = depth > 0 and chance.random() < 0.25
        text = f"({self.sum(depth - 1)})" if bracket else f"'{chance.choice(TEXTS)}'"
        while chance.random() < 0.5:
            text += chance.choice(("", "", " ")) + self.postfix()
        return text

    def postfix(self) -> str:
        chance = self.chance
        kind = chance.choice("*//::+,,@")
        if kind == ",":
            return "," + chance.choice(("", " ")) + (chance.choice(TOKENS) if chance.random() < 0.5 else "'fog'")
        if kind == "@":
            return "@" + chance.choice("LG")
        fold = chance.choice(("", "", "=", "= "))
        if kind == ":":
            return f"{fold}:{chance.randrange(8)}"
        if kind == "+":
            return f"{fold}:{chance.choice(('+', '-', ' + '))}{chance.randrange(9)}"
        letter = chance.choice(("", "", "", "", "L", " G"))
        return f"{fold}{kind if kind != '/' or chance.random() < 0.5 else '*'}{chance.choice(NUMBERS)}{letter}"

    def slip(self, text: str) -> str:
        chance, at = self.chance, self.chance.randrange(len(text) + 1)
        match chance.randrange(4):
            case 0:
                return text[:at] + text[at + 1 :]
            case 1:
                return text[:at] + chance.choice(SLIPS) + text[at:]
            case 2:
                return text[:at] + chance.choice(SLIPS) + text[at + 1 :]
            case _:
                return text[: at + 3] + text[at:]


def evaluate(text: str, world: World) -> Value:
    return Evaluator(text, world).whole()


def encoders(names: Sequence[str]) -> World:
    """A small world: 97 tokens, two embeddings, and a padding token for each encoder."""
    generator = np.random.default_rng(11)
    widths = {name: 3 + index for index, name in enumerate(names)}
    tables = {name: generator.standard_normal((97, width)).astype(np.float32) for name, width in widths.items()}
    stars = {
        label: {name: generator.standard_normal((rows, width)).astype(np.float32) for name, width in widths.items()}
        for label, rows in (("my-star", 2), ("mine", 1), ("mine too", 3))
    }
    padding = {name: 0 if name == "clip_g" else 49_407 for name in names}
    return World(tables, padding, stars)
