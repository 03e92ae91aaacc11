"""Functions: torch's own, exchanged for the time of a forward, in a model nobody has touched.

A rule stands in the place of a function, by its name: `nn.ReLU`, `F.relu`, `x.relu()` and one in place all come
through here. Functions that torch writes in Python, such as multi-head attention, are opened, so that what they call
comes through too. A rule is told which tensors depend on the input: a parameter does not. What TorchScript or another
compiler has swallowed is not seen.

>>> doubled = {"relu": lambda call: 2 * call()}
>>> with exchanged(doubled):
...     nn.ReLU()(Tensor([-1.0, 3.0])).tolist()
[0.0, 6.0]
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

OPENED = ("torch.nn.functional", "torch.functional")
OPERANDS = ("input", "query", "key", "value", "other", "mat2", "batch1", "batch2")  # in the order of their places
CHECKS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


@dataclass(frozen=True)
class Call:
    """A function about to be called."""

    name: str
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    depends: Callable[[Any], bool]  # whether a tensor depends on the input
    notes: WeakIdKeyDictionary  # what rules remember of tensors

    def __call__(self, *args: Any) -> Any:
        """Call it, with these first arguments in the place of its own."""
        return self.func(*args, *self.args[len(args) :], **self.kwargs)

    def get(self, place: int, name: str, default: Any = None) -> Any:
        """An argument that may be given by place or by name."""
        return self.args[place] if place < len(self.args) else self.kwargs.get(name, default)

    def left(self, answer: Tensor) -> Tensor:
        """The answer of a rule that did not write over its input, where a function in place has to leave it."""
        name = getattr(self.func, "__name__", "")
        in_place = name.startswith("__i") if name.endswith("__") else name.endswith("_")
        return self.args[0].copy_(answer) if in_place else answer


Rules = Mapping[str, Callable[[Call], Any]]


class _Exchanged(TorchFunctionMode):
    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self.rules = rules
        self.notes, self.dependent = WeakIdKeyDictionary(), WeakIdKeyDictionary()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if inner := opened(func):
            with self:
                return inner(*args, **kwargs)
        name = getattr(func, "__name__", "").strip("_")  # relu_ and __add__ are relu and add
        rule = self.rules.get(name)
        if rule:
            args, kwargs = placed(args, kwargs)
        call = Call(name, func, args, kwargs, self._depends, self.notes)
        output = rule(call) if rule else func(*args, **kwargs)
        if any(self._depends(t) for t in tensors_of((args, kwargs))):
            for tensor in tensors_of(output):
                if tensor.requires_grad:  # what was detached has no way back
                    self.dependent[tensor] = True
        return output

    def _depends(self, thing: Any) -> bool:
        """A leaf that is no parameter is the input; what came of it depends on it."""
        if not isinstance(thing, Tensor) or isinstance(thing, nn.Parameter):
            return False
        return thing in self.dependent or (thing.is_leaf and thing.requires_grad)


@contextmanager
def exchanged(rules: Rules) -> Generator[None]:
    """Forwards that are gone within follow the rules."""
    with _Exchanged(rules):
        yield


def backwards(x: Tensor, factor: Tensor | float) -> Any:
    """The way back through x is multiplied; what is returned can `remove()` this."""
    return x.register_hook(lambda gradient: gradient * factor)


def placed(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments with the operands in their places that were given by their names.

    >>> placed((1,), {"alpha": 3, "other": 2})
    ((1, 2), {'alpha': 3})
    """
    named = [kwargs[name] for name in OPERANDS if name in kwargs]
    return (*args, *named), {name: value for name, value in kwargs.items() if name not in OPERANDS}


def tensors_of(thing: Any) -> Iterator[Tensor]:
    """Those of nested lists and dicts."""
    if isinstance(thing, Tensor):
        yield thing
    elif isinstance(thing, list | tuple | dict):
        for part in thing.values() if isinstance(thing, dict) else thing:
            yield from tensors_of(part)


@lru_cache(256)
def opened(func: Any) -> Any:
    """A copy of one of torch's functions in Python that does not ask who is listening; none of a builtin."""
    if not isinstance(func, FunctionType) or func.__globals__.get("__name__") not in OPENED:
        return None
    deaf = {**func.__globals__, **dict.fromkeys(CHECKS, lambda *_: False)}
    inner = FunctionType(func.__code__, deaf, func.__name__, func.__defaults__, func.__closure__)
    inner.__kwdefaults__ = func.__kwdefaults__
    return inner
