"""What `pytest --jaxtyping-packages` runs on every function of the library: the shapes of arrays, and nothing else.

Other annotations are the type checker's business; values that are no arrays (of tests that give nonsense) pass.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import AbstractArray
from torch import Tensor


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that arrays that go in or come out in another shape than annotated raise TypeError."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            _check_value(name, value, signature.parameters[name].annotation)
        result = function(*args, **kwargs)
        _check_value("the result", result, signature.return_annotation)
        return result

    return checked


def _check_value(name: str, value: Any, annotation: Any) -> None:
    if isinstance(value, np.ndarray | Tensor):
        allowed = [a for a in _alternatives(annotation) if isinstance(a, type) and issubclass(a, AbstractArray)]
        if allowed and not any(isinstance(value, a) for a in allowed):
            expected = " or ".join(a.__name__ for a in allowed)
            raise TypeError(f"{name}: expected {expected}, got {value.dtype} {tuple(value.shape)}")
    elif isinstance(value, tuple) and typing.get_origin(annotation) is tuple:
        parts = typing.get_args(annotation)
        if len(parts) == len(value):
            for index, (part, part_annotation) in enumerate(zip(value, parts, strict=True)):
                _check_value(f"{name}[{index}]", part, part_annotation)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)
