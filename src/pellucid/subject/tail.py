"""The tail of a model: what comes behind a layer, run alone, for a model of any code.

    tail = Tail(subject, images, path, given, output)       what the layer gave, and the model's answer
    tail(changed, i)                                        the answer to the images i with this in its place

Of a recorded forward the outermost modules that ended before the layer did are known, in their order. In a tail they do
not run: each returns what it gave, the layer returns the given tensor, and only the operations behind it cost anything.
Of what such a module gave only that is kept which an operation of the tail reads (the stream of a skip connection, the
patches before a class token is put in front); in the place of the rest stands a tensor of its shape that takes no
memory. What is read is found once for each model, layer and size of image, by watching the operations of a tail.

A tail is used only if it gives the model's own answer, to 1e-5, when the layer gives what it gave. If it does not, or
where a model takes another way the second time, the whole model is run, with the layer's output exchanged.

>>> net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).requires_grad_(False)
>>> subject, x = Subject(net), torch.ones(1, 1, 1, 2)
>>> tail = Tail(subject, x, "2", net[:3](x), net(x))
>>> twice = torch.stack([torch.zeros(2), torch.ones(2)])
>>> torch.equal(tail(twice, torch.tensor([0, 0])), net[3](twice)), tail.short
(True, True)
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

from pellucid.subject import Subject, _replaced, precise
from pellucid.subject.pairs import answer
from pellucid.subject.state import first_tensor

CLOSE = 1e-5  # of the largest number of the answer; more for half precision


@dataclass(frozen=True)
class Stand:
    """What stands for a tensor that a module gave: its shape for one image, and the axis of the images."""

    shape: tuple[int, ...]
    axis: int | None
    like: Tensor  # a number, for precision and device
    read: bool = False  # by an operation of the tail

    def empty(self, rows: int) -> Tensor:
        """One number, as often as the shape says."""
        return self.like.expand([size * rows if k == self.axis else size for k, size in enumerate(self.shape)])

    def of(self, whole: Tensor, i: Tensor) -> Tensor:
        """The rows of some images, their own: what comes may write into them."""
        return whole.clone() if self.axis is None else whole.index_select(self.axis, i)


@dataclass(frozen=True)
class Step:
    """An outermost module that ended before the layer did, or the layer: what it gives."""

    path: str
    form: TreeSpec
    leaves: tuple[Any, ...]  # a Stand for every tensor

    @property
    def read(self) -> bool:
        return any(isinstance(leaf, Stand) and leaf.read for leaf in self.leaves)


@dataclass(frozen=True)
class Plan:
    """What a tail leaves out; the last step is the layer."""

    steps: tuple[Step, ...]
    image: Stand


class _Astray(Exception):
    """The model took another way than when it was recorded."""


_plans: "WeakKeyDictionary[nn.Module, dict[Any, Plan | None]]" = WeakKeyDictionary()


class Tail:
    """The answer of a model, from a layer on."""

    def __init__(self, subject: Subject, images: Tensor, path: str, given: Tensor, output: Tensor) -> None:
        self.subject, self.images, self.path = subject, images, path
        self.kept: list[list[Any]] = []
        key = (path, tuple(images.shape[1:]), images.dtype, images.device, subject.batch_size == 1)
        plans = _plans.setdefault(subject.model, {})
        with torch.no_grad():
            if key not in plans or not _there(subject.model, plans[key]):
                plans[key] = _planned(subject, images[:1], path)
            self.plan = plans[key]
            if self.plan and not self._right(self.plan, given, output):
                self.plan = plans[key] = None

    @property
    def short(self) -> bool:
        """Whether only the tail runs."""
        return self.plan is not None

    def __call__(self, changed: Tensor, i: Tensor) -> Tensor:
        """The answer to the images i, where the layer gives this for them; it may be written into."""
        if self.plan is not None:
            try:
                return self._short(self.plan, changed, i)
            except _Astray:
                self.plan = None
        return self._whole(changed, i)

    def _right(self, plan: Plan, given: Tensor, output: Tensor) -> bool:
        """Whether the tail of what the layer gave is the model's answer."""
        everyone = torch.arange(len(self.images), device=self.images.device)
        try:
            if plan.image.read or any(step.read for step in plan.steps):
                self.kept = _kept(self.subject, self.images, plan, everyone)
            again = precise(self._short(plan, given.clone(), everyone))
        except _Astray:
            return False
        most = max(CLOSE, 8 * torch.finfo(output.dtype).eps) * output.abs().max()
        return again.shape == output.shape and bool((again - precise(output)).abs().max() <= most)

    def _short(self, plan: Plan, changed: Tensor, i: Tensor) -> Tensor:
        def give(at: int) -> Any:
            step = plan.steps[at]
            kept = self.kept[at] if self.kept else step.leaves
            output = tree_unflatten([_leaf(s, k, i) for s, k in zip(step.leaves, kept, strict=True)], step.form)
            return _given(output, changed) if at + 1 == len(plan.steps) else output

        images = self.images[i] if plan.image.read else plan.image.empty(len(i))
        with _stubbed(self.subject.model, plan.steps, give):
            return answer(self.subject, images, i)

    def _whole(self, changed: Tensor, i: Tensor) -> Tensor:
        def exchange(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            return _given(output, changed)

        handle = self.subject.module(self.path).register_forward_hook(exchange)
        try:
            return answer(self.subject, self.images[i], i)
        finally:
            handle.remove()


def _given(output: Any, changed: Tensor) -> Any:
    """What a layer returned, with another tensor in it."""
    first = first_tensor(output)
    assert first is not None  # the layer has been looked at
    return _replaced(output, first, changed)


def _leaf(stand: Any, kept: Any, i: Tensor) -> Any:
    if not isinstance(stand, Stand):
        return stand
    return stand.of(kept, i) if stand.read else stand.empty(len(i))


@contextmanager
def _stubbed(model: nn.Module, steps: Sequence[Step], give: Callable[[int], Any]) -> Generator[None]:
    """Meanwhile the modules of the steps return what is given for them, in this order; afterwards they run again."""
    come = 0

    def stub(path: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def forward(*args: Any, **inputs: Any) -> Any:
            nonlocal come
            if come == len(steps):  # behind the layer
                return real(*args, **inputs)
            if steps[come].path != path:
                raise _Astray
            come += 1
            return give(come - 1)

        return forward

    own: list[tuple[dict[str, Any], Any]] = []
    try:
        for path in {step.path: None for step in steps}:
            module = model.get_submodule(path)
            own.append((vars(module), vars(module).get("forward")))
            vars(module)["forward"] = stub(path, module.forward)
        yield
        if come < len(steps):
            raise _Astray
    finally:
        for attributes, before in own:
            del attributes["forward"]
            if before is not None:
                attributes["forward"] = before


def _kept(subject: Subject, images: Tensor, plan: Plan, i: Tensor) -> list[list[Any]]:
    """For every step what it gives, of these images; only what is read, as it is before anything writes into it."""
    found: list[list[Any]] = []

    def hook(path: str) -> Callable[..., None]:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            # inner modules end before the one that is waited for, and are called otherwise
            if len(found) < len(plan.steps) and plan.steps[len(found)].path == path:
                step, leaves = plan.steps[len(found)], tree_leaves(output)
                if len(leaves) != len(step.leaves):
                    raise _Astray
                pairs = zip(step.leaves, leaves, strict=True)
                found.append([t.clone() if isinstance(s, Stand) and s.read else None for s, t in pairs])

        return keep

    paths = {step.path: None for step in plan.steps}
    handles = [subject.module(path).register_forward_hook(hook(path)) for path in paths]
    try:
        answer(subject, images, i)
    finally:
        for handle in handles:
            handle.remove()
    if len(found) != len(plan.steps):
        raise _Astray
    return found


# --- what a tail leaves out -------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Call:
    """A module that ran."""

    path: str
    above: "_Call | None"
    leaves: list[Any]
    form: TreeSpec | None = None


def _planned(subject: Subject, image: Tensor, path: str) -> Plan | None:
    """The modules before the layer, what shape they give, and what of it a tail reads; none where nobody can say."""
    one = _recorded(subject, image, path)
    # two rows of an image tell which axis is the images'
    two = one if subject.batch_size == 1 else _recorded(subject, image.repeat(2, *[1] * (image.ndim - 1)), path)
    if [_shape(call) for call in one] != [_shape(call) for call in two]:
        return None
    steps = [
        Step(a.path, a.form, tuple(_stand(x, y) for x, y in zip(a.leaves, b.leaves, strict=True)))
        for a, b in zip(one, two, strict=True)
        if a.form is not None
    ]
    axis = None if subject.batch_size == 1 else 0
    plan = _marked(subject, image, Plan(tuple(steps), Stand(tuple(image.shape), axis, image.new_zeros(()))), one)
    read = [leaf for step in plan.steps for leaf in step.leaves if isinstance(leaf, Stand) and leaf.read]
    # where images and windows share an axis, whose a row is cannot be said
    return None if any(s.axis is not None and s.shape[s.axis] != 1 for s in read) else plan


def _shape(call: _Call) -> Any:
    return call.path, call.form, [leaf.ndim if isinstance(leaf, Tensor) else None for leaf in call.leaves]


def _stand(one: Any, two: Any) -> Any:
    if not isinstance(one, Tensor):
        return one
    axis = next((k for k, (a, b) in enumerate(zip(one.shape, two.shape, strict=True)) if a != b), None)
    return Stand(tuple(one.shape), axis, one.new_zeros(()))


def _recorded(subject: Subject, images: Tensor, path: str) -> list[_Call]:
    """The outermost modules that ended before the layer did, and the layer, with what they gave."""
    above: list[_Call] = []
    ended: list[_Call] = []

    def done() -> bool:
        return bool(ended) and ended[-1].path == path

    def begin(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any) -> None:
            if not done():
                above.append(_Call(name, above[-1] if above else None, []))

        return hook

    def end(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if not done():
            call = above.pop()
            call.leaves, call.form = tree_flatten(output)
            ended[:] = [*(inner for inner in ended if inner.above is not call), call]

    named = [(name, module) for name, module in subject.model.named_modules() if name]
    handles = [module.register_forward_pre_hook(begin(name)) for name, module in named]
    handles += [module.register_forward_hook(end) for _, module in named]
    try:
        answer(subject, images, torch.zeros(len(images), dtype=torch.long, device=images.device))
    finally:
        for handle in handles:
            handle.remove()
    return ended


def _marked(subject: Subject, image: Tensor, plan: Plan, calls: Sequence[_Call]) -> Plan:
    """The plan with a mark at what the operations of a tail read, of one image."""
    layer = tree_unflatten(calls[-1].leaves, plan.steps[-1].form)
    first = first_tensor(layer)
    assert first is not None  # the layer has been looked at
    given = _given(layer, first.clone())  # a layer that writes over its input shares a place with that

    def give(at: int) -> Any:
        return given if at + 1 == len(calls) else tree_unflatten(calls[at].leaves, plan.steps[at].form)

    tensors = [leaf for call in calls for leaf in call.leaves if isinstance(leaf, Tensor)]
    image = image.clone()  # the batch has the other
    with _stubbed(subject.model, plan.steps, give), _Reading([image, *tensors]) as seen:
        answer(subject, image, torch.zeros(1, dtype=torch.long, device=image.device))

    def mark(stand: Any, tensor: Any) -> Any:
        mine = isinstance(stand, Stand) and tensor is not first and _place(tensor) in seen.met
        return replace(stand, read=True) if mine else stand

    steps = [
        replace(step, leaves=tuple(mark(s, t) for s, t in zip(step.leaves, call.leaves, strict=True)))
        for step, call in zip(plan.steps, calls, strict=True)
    ]
    return Plan(tuple(steps), mark(plan.image, image))


class _Reading(TorchDispatchMode):
    """Sees which of some tensors any operation is given."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()
        self.watched, self.met = {_place(tensor) for tensor in tensors}, set[int]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, Tensor) and _place(value) in self.watched:
                self.met.add(_place(value))
        return func(*args, **kwargs or {})


def _place(tensor: Tensor) -> int:
    """Where its numbers are: a view is at the same place."""
    return tensor.untyped_storage().data_ptr()


def _there(model: nn.Module, plan: Plan | None) -> bool:
    """Whether the modules of a plan are still in the model."""
    paths = {path for path, _ in model.named_modules()}
    return plan is None or all(step.path in paths for step in plan.steps)
