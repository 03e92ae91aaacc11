"""LRP, layer-wise relevance propagation (Bach et al., 2015), for transformers AttnLRP (Achtibat et al., 2024).

    R_i = Σ_j a_i w_ij / (z_j + ε sign z_j) · R_j,   z_j = Σ_i a_i w_ij + b_j,   R = v · y at the output,   sign 0 = 1

Written as a gradient it needs no layer to be rebuilt: with R = a · c, c is the way back of a network in which some
functions answer for less or otherwise:

    linear map, convolution, mean, sum      c · |z| / (|z| + ε) goes back; a BatchNorm behind a map is part of it
    ReLU, max-pooling, softmax              as ever
    GELU, SiLU, sigmoid and their like      c · f(x) / x: what comes in at one side goes out at the other
    LayerNorm, GroupNorm, RMSNorm, x / y    the scale is held fixed
    x · y, both of them of the input        half to each; where y is a gate, a sigmoid of something, all to x

So of a network of ReLUs, with ε → 0, LRP is input × gradient, biases or not; without biases it conserves: Σ R = ⟨v, y⟩.
Biases keep the relevance they absorb. Linear in the question: a contrast starts at v · y and is one way back.

rule=epsilon is all of this, and ours. The others are composites of zennit (LGPL, optional: pip install
'pellucid[lrp]'), with ε in linear layers and, in convolutions:

    epsilon-plus              z⁺: only what adds up
    epsilon-gamma-box         γ = ¼: what adds up counts more; the first by z^B, with the bounds of the pixels
    epsilon-alpha2-beta1      twice what adds up less once what takes away

Traps: a function without a rule here (exp, a power, a fused LSTM) answers by its plain gradient. c · f(x) / x is large
where f(0) is not 0, as of softplus, or a sigmoid that is no gate: there nothing is promised for ε → 0. A sum in
`forward` that is no module, such as a residual's, is known to zennit in torchvision's ResNets alone; elsewhere the
composites count both branches in full. The same goes for attention. Its hooks see modules, so a network that writes
`F.relu` needs rule=epsilon.

The authors of LXT, the reference implementation of AttnLRP, state in their README that LRP is patented, and free for
personal and scientific use. This is an implementation of our own, from the formulas; look into it before any
commercial use.

>>> damping(torch.tensor([3.0, -1.0, 0.0]), 1.0).tolist()
[0.75, 0.5, 0.0]
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from pellucid.errors import need
from pellucid.explainers._base import INPUT, Between, Explainer, Score, Subject
from pellucid.networks._load import card_of
from pellucid.subject import precise
from pellucid.subject.functions import Call, Rules, backwards, exchanged, tensors_of

RuleName = Literal["epsilon", "epsilon-plus", "epsilon-gamma-box", "epsilon-alpha2-beta1"]

MAPS = ("linear", "addmm", *(f"conv{d}d" for d in (1, 2, 3)), *(f"conv_transpose{d}d" for d in (1, 2, 3)))
SUMS = (
    "add", "radd", "iadd", "sub", "rsub", "isub", "sum", "mean",
    *(f"avg_pool{d}d" for d in (1, 2, 3)), *(f"adaptive_avg_pool{d}d" for d in (1, 2, 3)),
)  # fmt: skip
CURVED = (
    "gelu", "silu", "hardswish", "mish", "elu", "celu", "selu", "softplus", "tanh", "leaky_relu",
     "prelu", "hardtanh", "log_sigmoid", "softsign",
)  # fmt: skip
GATES = ("sigmoid", "hardsigmoid")  # f(0) is not 0: what they let through is the other factor's
GATE = object()
PRODUCTS = ("mul", "rmul", "imul", "multiply", "matmul", "rmatmul", "mm", "bmm", "baddbmm", "einsum")
QUOTIENTS = ("div", "truediv", "itruediv", "divide", "true_divide")


def damping(z: Tensor, epsilon: float) -> Tensor:
    """|z| / (|z| + ε): the part of the relevance that a sum hands on; where the sum is zero, none."""
    size = z.detach().abs()
    return size / (size + epsilon).where(size + epsilon > 0, 1.0)


def answering(value: Tensor, way: Tensor) -> Tensor:
    """The one number, and the other's way back.

    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> y = answering(x**2, 7 * x)
    >>> y.item(), torch.autograd.grad(y, x)[0].item()
    (4.0, 7.0)
    """
    return way + (value - way).detach()


def relevance_rules(epsilon: float) -> Rules:
    """What stands in the place of torch's functions."""

    def damped(call: Call) -> Any:
        output = call()
        if epsilon and isinstance(output, Tensor) and output.requires_grad:
            factor = damping(output, epsilon)
            handle = backwards(output, factor)
            if call.name in MAPS:
                call.notes[output] = handle
        return output

    def batch_norm(call: Call) -> Any:
        alone = call.notes.get(call.args[0])
        if alone not in (None, GATE):
            alone.remove()  # a map and the BatchNorm behind it are one
        return damped(call)

    return {
        **dict.fromkeys((*MAPS, *SUMS), damped),
        **dict.fromkeys(CURVED, _curved),
        **dict.fromkeys(GATES, _gate),
        **dict.fromkeys(PRODUCTS, _product),
        **dict.fromkeys(QUOTIENTS, _quotient),
        "batch_norm": batch_norm,
        "layer_norm": _held(_layer_norm),
        "group_norm": _held(_group_norm),
        "rms_norm": _held(_rms_norm),
        "scaled_dot_product_attention": _attention,
    }


def _curved(call: Call) -> Any:
    x = call.args[0]
    if not call.depends(x):
        return call()
    with torch.no_grad():
        value = call(x.clone())  # a copy, for those in place
        least = torch.finfo(x.dtype).eps
        ratio = value / (x + torch.where(x < 0, -least, least).to(x))
    return call.left(answering(value, x * ratio))


def _gate(call: Call) -> Any:
    output = _curved(call)
    if call.depends(call.args[0]):
        call.notes[output] = GATE
    return output


def _product(call: Call) -> Any:
    factors = [x for x in tensors_of(call.args) if call.depends(x)]
    gates = [x for x in factors if call.notes.get(x) is GATE]
    if len(factors) < 2:
        return call()
    if 0 < len(gates) < len(factors):
        heard = len(factors) - len(gates)
        return call.left(call(*_each(call.args, lambda x: _shared(call, x, heard))))
    return call.left(call(*_each(call.args, lambda x: _eased(x, 1 / len(factors)) if call.depends(x) else x)))


def _shared(call: Call, x: Any, heard: int) -> Any:
    """A factor among those that are heard: a gate is not."""
    if not call.depends(x):
        return x
    return x.detach() if call.notes.get(x) is GATE else _eased(x, 1 / heard)


def _quotient(call: Call) -> Any:
    x, y = call.args[:2]
    return call(x, y.detach()) if call.depends(x) and call.depends(y) else call()


def _attention(call: Call) -> Any:
    """Half to the weights and half to the values; of the weights' half, half to queries and half to keys."""
    query, key, value, *rest = call.args
    return call(_eased(query, 0.25), _eased(key, 0.25), _eased(value, 0.5), *rest)


def _each(args: Sequence[Any], change: Callable[[Any], Any]) -> list[Any]:
    """Arguments changed, those in lists too."""
    return [_each(a, change) if isinstance(a, list | tuple) else change(a) for a in args]


def _eased(x: Tensor, share: float) -> Tensor:
    """The same, with a share of its way back."""
    if not x.requires_grad:
        return x
    copy = x.clone()
    backwards(copy, share)
    return copy


def _held(norm: Callable[[Call, Tensor], Tensor]) -> Callable[[Call], Any]:
    """A normalisation whose scale is held fixed."""

    def rule(call: Call) -> Any:
        x = call.args[0]
        return answering(call(x.detach()), norm(call, x)) if call.depends(x) else call()

    return rule


def _layer_norm(call: Call, x: Tensor) -> Tensor:
    axes = tuple(range(-len(call.get(1, "normalized_shape")), 0))
    off = x - x.mean(axes, keepdim=True)
    scale = (off.detach().square().mean(axes, keepdim=True) + call.get(4, "eps", 1e-5)).rsqrt()
    weight = call.get(2, "weight")
    return off * scale * (1.0 if weight is None else weight.detach())


def _rms_norm(call: Call, x: Tensor) -> Tensor:
    axes = tuple(range(-len(call.get(1, "normalized_shape")), 0))
    eps = call.get(3, "eps")
    scale = (x.detach().square().mean(axes, keepdim=True) + (torch.finfo(x.dtype).eps if eps is None else eps)).rsqrt()
    weight = call.get(2, "weight")
    return x * scale * (1.0 if weight is None else weight.detach())


def _group_norm(call: Call, x: Tensor) -> Tensor:
    groups = x.unflatten(1, (call.get(1, "num_groups"), -1)).flatten(2)
    off = groups - groups.mean(2, keepdim=True)
    scale = (off.detach().square().mean(2, keepdim=True) + call.get(4, "eps", 1e-5)).rsqrt()
    weight = call.get(2, "weight")
    factor = 1.0 if weight is None else weight.detach().view(-1, *[1] * (x.ndim - 2))
    return (off * scale).view_as(x) * factor


@contextmanager
def composite(rule: str, epsilon: float, model: nn.Module, images: Tensor) -> Generator[None]:
    """The model, meanwhile with zennit's hooks; its gradient is then the relevance."""
    composites, canonizers = (
        need(f"zennit.{part}", "lrp", f"lrp:rule={rule}") for part in ("composites", "torchvision")
    )
    known = any(isinstance(m, BasicBlock | Bottleneck) for m in model.modules())
    knobs: dict[str, Any] = {"canonizers": [canonizers.ResNetCanonizer() if known else canonizers.VGGCanonizer()]}
    if rule == "epsilon-gamma-box":
        knobs |= dict(zip(("low", "high"), bounds(model, images), strict=True))
    with composites.COMPOSITES[rule.replace("-", "_")](epsilon=epsilon, **knobs).context(model):
        yield


def bounds(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Black and white as the model sees them; where nobody knows, each image's darkest and brightest. A cell each: the
    first convolution may find the image padded."""
    card, shape = card_of(model), (-1, *[1] * (images.ndim - 2))
    if card is not None and len(card.mean) == images.shape[1]:
        mean, std = (torch.tensor(v, dtype=torch.float64).view(shape) for v in (card.mean, card.std))
        ends = [((pixel - mean) / std)[None].to(images) for pixel in (0.0, 1.0)]
    else:
        ends = [f(images.flatten(1), 1).view(-1, 1, *shape[1:]) for f in (torch.amin, torch.amax)]
    return ends[0], ends[1]


@dataclass(frozen=True)
class Relevance:
    """A score whose way back begins with relevance, v · y, in the place of v."""

    score: Score

    def cotangent(self, output: Tensor) -> Tensor:
        """v · y"""
        return self.score.cotangent(output) * precise(output.detach())


class LRP(Explainer, name="lrp", paper="10.1371/journal.pone.0130140"):
    """What share of the answer does every pixel inherit, layer by layer?"""

    group = "relevance"
    cost = "F + B"
    linear = True
    trainable = False
    sizes = (1, 2, 3)
    cite = """
@article{bach2015pixel,
  title   = {On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation},
  author  = {Bach, Sebastian and Binder, Alexander and Montavon, Gr{\\'e}goire and Klauschen, Frederick
             and M{\\"u}ller, Klaus-Robert and Samek, Wojciech},
  journal = {PLoS ONE},
  year    = {2015},
}
@inproceedings{achtibat2024attnlrp,
  title     = {{AttnLRP}: Attention-Aware Layer-Wise Relevance Propagation for Transformers},
  author    = {Achtibat, Reduan and Hatefi, Sayed Mohammad Vakilzadeh and Dreyer, Maximilian and Jain, Aakriti
               and Wiegand, Thomas and Lapuschkin, Sebastian and Samek, Wojciech},
  booktitle = {International Conference on Machine Learning},
  year      = {2024},
}"""

    rule: RuleName = "epsilon"
    epsilon: Annotated[float, Between(0)] = 1e-6

    def attribute_all(self, subject: Subject, images: Tensor, scores: Sequence[Score]) -> list[Tensor]:
        if self.rule == "epsilon":
            with exchanged(relevance_rules(self.epsilon)):
                run = subject.forward(images, INPUT)
            return [precise(images) * precise(c) for [c] in subject.pull(run, scores)]
        with composite(self.rule, self.epsilon, subject.model, images):
            run = subject.forward(images, INPUT)
            return [precise(r) for [r] in subject.pull(run, [Relevance(score) for score in scores])]
