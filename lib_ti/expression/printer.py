"""A tree back to text, in one canonical spelling: `parse(print(tree)) == tree`."""

from collections.abc import Callable, Sequence

from lib_ti.expression.evaluate import Dictionary
from lib_ti.expression.limits import END, START
from lib_ti.expression.nodes import Append, Chain, Crop, Keep, Node, Postfix, Roll, Scale, Sum, Text, Token, chain_of
from lib_ti.expression.parser import quote


def print_expression(node: Node) -> str:
    match node:
        case Text(text):
            return quote(text)
        case Chain(base, postfixes):
            return _operand(base) + "".join(_postfix(postfix) for postfix in postfixes)
        case Sum(parts):
            first, *rest = parts
            head = _operand(first.node) if first.positive else "-" + _operand(first.node)
            return head + "".join((" + " if part.positive else " - ") + _operand(part.node) for part in rest)


def _operand(node: Node) -> str:
    return f"({print_expression(node)})" if isinstance(node, Sum) else print_expression(node)


def _postfix(postfix: Postfix) -> str:
    match postfix:
        case Scale(operator, number, encoder):
            return operator + print_number(number) + (encoder or "")
        case Crop(rows):
            return f":{rows}"
        case Roll(by):
            return f":{by:+d}"
        case Append(Text(text)):
            return "," + quote(text)
        case Append(Token(token)):
            return "," + _token(token)
        case Keep(encoder):
            return f"@{encoder}"
    raise AssertionError(postfix)


def _token(token: int | None) -> str:
    return "00" if token is None else {END: "000", START: "0000"}.get(token, str(token))


def print_number(number: float) -> str:
    """The shortest decimal that reads back as the same number."""
    return repr(number).removesuffix(".0")


def print_tokens(tokens: Sequence[int], token_text: Callable[[int], str], dictionary: Dictionary) -> str:
    """An expression of one row a token, in their order: 'red','star'. See `operand_of`."""
    first, *others = (operand_of(token, token_text, dictionary) for token in tokens)
    return print_expression(chain_of(node_of(first), tuple(Append(other) for other in others)))


def operand_of(token: int, token_text: Callable[[int], str], dictionary: Dictionary) -> Text | Token:
    """A word, where `dictionary` reads it as just that token; else its id, for pieces of words and words that are an embedding's."""
    word = token_text(token).removesuffix("</w>")
    return Text(word) if dictionary.read(word) == [token] else Token(token)


def node_of(operand: Text | Token) -> Node:
    """By itself: an id can only be appended."""
    return operand if isinstance(operand, Text) else chain_of(Text(""), (Append(operand),))
