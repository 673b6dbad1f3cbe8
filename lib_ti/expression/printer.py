"""A tree back to text, in one canonical spelling: `parse(print(tree)) == tree`."""

from lib_ti.expression.limits import END, START
from lib_ti.expression.nodes import Append, Chain, Crop, Keep, Node, Postfix, Roll, Scale, Sum, Text, Token
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
