"""diffusers reads from a class's signature what may stand in a saved configuration."""

import inspect
from typing import TypeVar

_T = TypeVar("_T", bound=type)


def with_parents_arguments(cls: _T) -> _T:
    """Class decorator: show a model's own keyword arguments together with those of its base class."""
    own = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
    named = [p for p in own if p.kind is inspect.Parameter.KEYWORD_ONLY]
    parents = inspect.signature(cls.__base__.__init__).parameters.values()  # type: ignore[misc]
    forwarded = [p for p in parents if p.name not in {n.name for n in named}]
    cls.__init__.__signature__ = inspect.Signature([*forwarded, *named])  # type: ignore[misc]
    return cls
