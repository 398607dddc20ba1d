"""A product whose shapes do not fit: from the learner's line and the shapes in it, the product that was meant."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

Shapes = Mapping[str, Sequence[int]]

_BY_ELEMENT = ("sigmoid", "sigmoid_prime", "np.exp", "np.log", "np.abs", "softmax")
"""Functions whose result has the shape of their argument."""


def product_that_fits(line: str, shapes: Shapes) -> str:
    """What to write instead of the product in this line of code whose operands cannot be meant; nothing where there
    is none, or where the shapes of its operands are not known."""
    try:
        tree = ast.parse(f"{line} pass" if line.startswith(("for ", "while ", "if ")) else line)
    except SyntaxError:
        return ""
    for kind, left, right in _products(tree):
        first, second = _shape(left, shapes), _shape(right, shapes)
        if first is not None and second is not None and len(first) == len(second) == 2:
            meant = _of_elements if kind == "*" else _of_matrices
            if advice := meant(ast.unparse(left), ast.unparse(right), first, second):
                return advice
    return ""


def _products(tree: ast.AST) -> Iterator[tuple[str, ast.expr, ast.expr]]:
    """Every product of a line, the innermost first, with its operands: `*`, `@`, and np.dot or np.matmul as `@`."""
    for node in reversed(list(ast.walk(tree))):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.MatMult):
            yield "*" if isinstance(node.op, ast.Mult) else "@", node.left, node.right
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.dot", "np.matmul") and len(node.args) == 2:
            yield "@", node.args[0], node.args[1]


def _shape(node: ast.expr, shapes: Shapes) -> tuple[int, ...] | None:
    """The shape of an expression from those of the arrays in it; None where it cannot be told."""
    if ast.unparse(node) in shapes:
        return tuple(shapes[ast.unparse(node)])
    if isinstance(node, ast.Call) and ast.unparse(node.func) in _BY_ELEMENT and len(node.args) == 1:
        return _shape(node.args[0], shapes)
    if isinstance(node, ast.UnaryOp):
        return _shape(node.operand, shapes)
    if isinstance(node, ast.BinOp):
        if isinstance(node.left, ast.Constant) or isinstance(node.right, ast.Constant):
            return _shape(node.right if isinstance(node.left, ast.Constant) else node.left, shapes)
        left, right = _shape(node.left, shapes), _shape(node.right, shapes)
        if left == right and not isinstance(node.op, ast.MatMult):
            return left
        if left and right and isinstance(node.op, ast.MatMult) and left[-1] == right[0]:
            return (*left[:-1], *right[1:])
    return None


def _of_elements(left: str, right: str, rows: Sequence[int], columns: Sequence[int]) -> str:
    """`*` between a matrix and a column that a matrix product would take, or between columns of other lengths."""
    left, right = _bracketed(left), _bracketed(right)
    if rows[1] == columns[1] == 1:
        outer = f"{left} @ {_transposed(right)}"
        return "" if rows[0] == columns[0] else f"* pairs columns of equal length; an outer product is {outer}."
    if columns[1] != 1 or rows[1] == 1:
        return ""
    fitting = [meant for meant, fits in ((left, rows[1]), (_transposed(left), rows[0])) if fits == columns[0]]
    if not fitting:
        return ""
    return f"* multiplies element by element; a matrix product adds up as well: {fitting[0]} @ {right}, or np.dot."


def _of_matrices(left: str, right: str, first: Sequence[int], second: Sequence[int]) -> str:
    """A matrix product whose sizes do not meet, with the transpositions or the order in which they would."""
    if first[1] == second[0]:
        return ""
    left, right = (_bracketed(code) for code in (left, right))
    if first[1] == second[1] == 1:
        outer = f"an outer product is {left} @ {_transposed(right)}"
        if first[0] != second[0]:
            return f"Both are columns: {outer}."
        return f"Both are columns: element by element is {left} * {right}; {outer}."
    fitting = [
        meant
        for meant, fits in (
            (f"{_transposed(left)} @ {right}", first[0] == second[0]),
            (f"{left} @ {_transposed(right)}", first[1] == second[1]),
            (f"{right} @ {left}", second[1] == first[0]),
        )
        if fits
    ]
    return f"As many columns left as rows right: {' or '.join(fitting)} would fit." if fitting else ""


def _bracketed(code: str) -> str:
    return f"({code})" if isinstance(ast.parse(code, mode="eval").body, ast.BinOp) else code


def _transposed(code: str) -> str:
    return code.removesuffix(".T") if code.endswith(".T") else f"{code}.T"
