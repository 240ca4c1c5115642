"""Shapes of tensors on the site: jaxtyping's `"3"` and `"views"` stay the strings that they are."""

from collections.abc import Iterator
from typing import Any

from griffe import Attribute, Expr, ExprSubscript, ExprTuple, Extension, Function


class Shapes(Extension):
    """Quote the shapes that griffe takes for code: it reads what strings in annotations say."""

    def on_function(self, *, func: Function, **_: Any) -> None:
        """Quote shapes in a signature."""
        for annotation in (func.returns, *(parameter.annotation for parameter in func.parameters)):
            _quote(annotation)

    def on_attribute(self, *, attr: Attribute, **_: Any) -> None:
        """Quote the shape of an attribute."""
        _quote(attr.annotation)


def _quote(annotation: Expr | str | None) -> None:
    for part in _subscripts(annotation):
        if part.canonical_path.startswith("jaxtyping.") and isinstance(part.slice, ExprTuple):
            kind, shape = part.slice.elements
            part.slice.elements = [kind, shape if str(shape)[0] in "'\"" else repr(str(shape))]


def _subscripts(annotation: Expr | str | None) -> Iterator[ExprSubscript]:
    if isinstance(annotation, ExprSubscript):
        yield annotation
    if isinstance(annotation, Expr):
        for part in annotation.iterate(flat=False):
            if part is not annotation:  # a name consists of itself
                yield from _subscripts(part)
