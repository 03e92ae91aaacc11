"""LICO (Lei et al., 2023): language-image consistency.

    L = CE + α · MM + β · OT
    MM = mean_i KL(A^G_i ‖ A^F_i),   A = softmax(−D / τ) by rows,   D between the samples of the batch
    OT = mean_i ⟨T_i, C_i⟩           T the entropic transport between the N particles of an image and the M tokens

F [n, N, d′] are the channels of the last feature map, each a flattened map (of a ViT its tokens); G [n, M, d′] the
outputs of a frozen text encoder at the tokens of the label's prompt, learnable contexts and the class, through a
mapping of two layers. MM makes pictures as near to each other as their classes' texts are; OT brings every channel to
a token. What is trained besides the model are the contexts and the mapping alone; at inference neither is there.

With the class at the end, a causal encoder (CLIP) shows the contexts nothing of it: they are the same for all classes,
and twelve of thirteen tokens carry none. `class_at=front`, `specific=true` or an encoder that reads both ways (bert,
minilm, align) are answers.

The temperature: a trainable τ runs away, for with τ → ∞ both adjacencies are uniform and MM is zero without a
feature having moved. `sound` fixes the scale 1/τ at the first batch, so that the median row of A^F spreads over a
quarter of the batch (its perplexity), and keeps it in the checkpoint.

>>> D = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
>>> round(float(manifold_loss(log_adjacency(D, 2.0), log_adjacency(D, 2.0))), 6)
0.0
>>> F, G = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), torch.tensor([[[0.0, 3.0]]])
>>> loss, plan = transport_loss(cosine_cost(F, G), 0.1)       # one token: all there is to do is to go there
>>> loss.tolist(), plan.plan.flatten().tolist()
([1.0], [0.5, 0.5])
"""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from pellucid.errors import BadInput, BadKnob, BadModel
from pellucid.maths.grids import Layout
from pellucid.maths.manifold import distances, log_adjacency, manifold_loss, perplexity, scale_for
from pellucid.maths.transport import cosine_cost, sinkhorn_by_change, transport_loss
from pellucid.objectives import _ranks
from pellucid.objectives._base import Between, Objective, Part, Step
from pellucid.objectives._bound import Site
from pellucid.objectives._prompts import Prompts, Shape
from pellucid.objectives._ways import WAYS, Protocol, Ways
from pellucid.subject import precise
from pellucid.text import Encoder, Tower, auto

HIDDEN = 512  # between the two layers of the mapping
NEAR = 1.1  # times the wanted perplexity, or its inverse, is near enough
BOUNDS = (0.0, 4.6052)  # of the logarithm of a clamped scale: 1 to 100


class LICO(Objective, name="lico", paper="arXiv:2310.09821"):
    """Do pictures lie to each other as their classes' names do, and does every channel mean a word?"""

    cite = """
@inproceedings{lei2023lico,
  title     = {{LICO}: Explainable Models with Language-Image {CO}nsistency},
  author    = {Lei, Yiming and Li, Zilong and Li, Yangyang and Zhang, Junping and Shan, Hongming},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2023},
}"""
    quick = {"contexts": 2, "text": "random-words:width=8"}

    protocol: Protocol = "sound"
    alpha: Annotated[float, Between(0)] = 10.0
    beta: Annotated[float, Between(0)] = 1.0
    text: Literal["auto"] | Encoder = "auto"
    contexts: Annotated[int, Between(0, 64)] = 12
    class_at: Literal["end", "middle", "front"] = "end"
    specific: bool = False
    prompts: Literal["learnable", "random", "fixed"] = "learnable"
    words: str | None = None
    dynamic: bool | None = None
    distance: Literal["euclidean", "cosine"] = "euclidean"
    temperature: Literal["fixed", "clamped", "free"] | None = None
    start: Annotated[float, Between(1e-6)] | None = None
    epsilon: Annotated[float, Between(1e-6)] | None = None
    transport: Literal["envelope", "unrolled", "none"] | None = None
    summary: Literal["mean", "eot"] | None = None
    pooled: bool | None = None
    nearest: bool | None = None
    by_change: bool | None = None
    detach: bool = False
    layer: str | None = None

    def check(self) -> None:
        if self.prompts == "fixed" and self.dynamic:
            raise BadKnob("the words of a fixed prompt keep their places; leave dynamic out, or set prompts=learnable.")

    @property
    def weights(self) -> Mapping[str, float]:
        wanted = {"ce": 1.0, "mm": self.alpha, "ot": self.beta}
        silent = not isinstance(self.text, str) and self.text.name == "none"
        return {name: weight for name, weight in wanted.items() if name == "ce" or (weight and not silent)}

    @property
    def ways(self) -> Ways:
        """What the protocol says, and the knobs that say otherwise."""
        knobs = ("dynamic", "temperature", "start", "epsilon", "transport", "summary", "pooled", "nearest", "by_change")
        said = {knob: getattr(self, knob) for knob in knobs if getattr(self, knob) is not None}
        changed = replace(WAYS[self.protocol], **said)
        shuffles = changed.dynamic and self.prompts != "fixed"
        return replace(changed, dynamic=shuffles)

    def build(self, site: Site) -> Part:
        return Guide(self, site) if len(self.weights) > 1 else Part(self, site)


class Text(nn.Module):
    """Classes to tokens, and to tokens as long as a particle: the prompts and the mapping."""

    def __init__(self, prompts: Prompts, length: int, dropout: float) -> None:
        super().__init__()
        self.prompts = prompts
        middle = [nn.Dropout(dropout), nn.ReLU()] if dropout else [nn.ReLU()]
        self.mapping = nn.Sequential(nn.Linear(prompts.tower.out, HIDDEN), *middle, nn.Linear(HIDDEN, length))

    def forward(
        self, classes: Int[Tensor, "u"], order: Int[Tensor, "c"] | None
    ) -> tuple[Float[Tensor, "u m out"], Float[Tensor, "u m d"]]:
        tokens = self.prompts(classes, order)
        return tokens, self.mapping(tokens)


class Guide(Part):
    """The text side of LICO: what it trains, and its two losses."""

    scale: Tensor  # 1/τ of the adjacencies, where it is fixed

    def __init__(self, lico: LICO, site: Site) -> None:
        super().__init__(lico, site)
        self.lico, self.ways = lico, lico.ways
        if not site.names:
            raise BadInput("lico reads the names of the classes; give class_names, one a class, in the labels' order.")
        self.layer, self.layout = _particles(site, lico.layer)
        particles = self._features(site.subject.forward(site.images, (self.layer,)).leaves[0])
        self.length = particles.shape[2]
        if self.length == 1 or (lico.layer is None and site.shrinks(self.layer)):
            raise BadModel(
                f"the last map of {type(site.subject.model).__name__} is 1×1 for images of "
                f"{site.images.shape[-2]}×{site.images.shape[-1]}, so that a channel is one number, which is ±1 on the "
                f"unit sphere; give larger images, a stem without strides, or an earlier layer=."
            )
        self.encoder = auto() if isinstance(lico.text, str) else lico.text
        tower = self.encoder.load()
        self._tower = (tower,)
        self._warn(tower)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(site.seed)
            shape = self._shape()
            prompts = Prompts(tower, site.names, shape, torch.Generator().manual_seed(site.seed))
            self.text = Text(prompts, self.length, self.ways.dropout)
        self._set_scale()
        self.register_state_dict_pre_hook(_clamped)  # a step may have left it outside

    def forward(self, step: Step) -> Mapping[str, Tensor]:
        if step.labels.ndim != 1:
            raise BadInput("lico needs one class an image, and these labels name several; use ce, cgc or gcc.")
        terms = {"ce": step.ce()}
        features = step.seen(step.images).at(self.layer or "")
        with torch.autocast(features.device.type, enabled=False):
            particles = self._features(features)
            if particles.shape[2] != self.length:
                raise BadInput(
                    f"a particle of this batch has {particles.shape[2]} numbers, and lico was bound for {self.length}; "
                    f"bind it with images=, a batch of this size."
                )
            classes, where = step.labels.unique(return_inverse=True)
            (tokens, mapped), scale = self._read(step, classes)
            tokens, mapped = tokens.to(particles), mapped.to(particles)
            rows = self._rows(step.labels, where)
            if self.lico.alpha:
                terms["mm"] = self._manifold(step, particles, tokens[rows], mapped[rows], scale)
            if self.lico.beta:
                terms["ot"] = self._transport(step, particles, mapped[rows])
        return terms

    # --- the two losses ----------------------------------------------------------------------------------------------

    def _manifold(self, step: Step, particles: Tensor, tokens: Tensor, mapped: Tensor, scale: Tensor | None) -> Tensor:
        if self.ways.pooled:
            axis = 1 if self.layout is None else 2  # tokens are averaged over the picture, and so are maps
            f, g = particles.mean(axis), tokens[:, -1]
        else:
            f, g = particles.flatten(1), mapped.flatten(1)
        f, g = (_unit(f), _unit(g)) if self.ways.unit else (f, g)
        g = g.detach() if self.lico.detach else g
        own, n = step.labels, len(f)
        themselves = torch.zeros(n, sum(step.rows(n)), dtype=torch.bool, device=f.device)
        themselves[:, step.mine(n)].fill_diagonal_(True)
        between = self._distances(f, step.everyone(f), themselves)
        alike = own[:, None] == step.everyone(own)[None]
        theirs = self._distances(g, step.everyone(g), alike)
        scale = self._scale(between, step) if scale is None else scale
        step.watch["scale"] = scale
        sign = 1.0 if self.ways.nearest else -1.0
        loss = manifold_loss(log_adjacency(between, sign * scale), log_adjacency(theirs, sign * scale))
        return loss * step.share(n)

    def _distances(self, x: Tensor, y: Tensor, same: Tensor | None) -> Tensor:
        same = None if self.ways.floor else same  # there even a sample is a floor away from itself
        if self.lico.distance == "cosine" and self.ways.similarity:
            return 1 - distances(x, y, "cosine", same)
        return distances(x, y, self.lico.distance, same, self.ways.floor)

    def _transport(self, step: Step, particles: Tensor, mapped: Tensor) -> Tensor:
        ways = self.ways
        cost = cosine_cost(particles, mapped, ways.eps)
        if ways.by_change:
            with torch.set_grad_enabled(torch.is_grad_enabled() and ways.transport == "unrolled"):
                plan = sinkhorn_by_change(cost, ways.epsilon)
            cost = cost.detach() if ways.transport == "none" else cost
            costs = (plan.plan * cost).sum((1, 2))
        else:
            costs, plan = transport_loss(cost, ways.epsilon, gradient=ways.transport)
        step.watch["ot_error"] = plan.error.max()
        step.watch["ot_iterations"] = torch.tensor(float(plan.iterations))
        step.watch["ot_converged"] = torch.tensor(float(plan.converged))
        return step.mean(costs)

    # --- pictures and texts ------------------------------------------------------------------------------------------

    def _features(self, output: Tensor) -> Tensor:
        """[n, N, d′]: the channels of a map, each as long as it has cells; or the tokens, as long as the model
        is wide."""
        return precise(output if self.layout is None else self.layout.map(output).flatten(2))

    def _read(self, step: Step, classes: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor | None]:
        """The tokens of these classes, before and after the mapping, and the scale where it is trained."""
        slots = self.text.prompts.slots
        shuffled = self.ways.dynamic and slots > 1 and (step.training or self.ways.always)
        order = torch.randperm(slots, generator=step.chance("lico")).to(classes.device) if shuffled else None
        self.text.train(step.training)
        self._clamp()
        trained = {name: p for name, p in self.named_parameters() if p.requires_grad}
        alone = not step.training or _ranks.processes() == 1
        shared = trained if alone else dict(zip(trained, _ranks.averaged(list(trained.values())), strict=True))
        inside = {name.removeprefix("text."): p for name, p in shared.items() if name.startswith("text.")}
        return functional_call(self.text, inside, (classes, order)), self._trained_scale(shared)

    def _rows(self, labels: Tensor, where: Tensor) -> Tensor:
        """The row of every sample among the classes that were read."""
        if not self.ways.twice:
            return where
        if int(labels.max()) >= len(labels):
            raise BadInput(
                f"the published code looks up row {int(labels.max())} in a batch of {len(labels)}; make the batch as "
                f"large as there are classes, or choose another protocol."
            )
        return where[labels]

    def _shape(self) -> Shape:
        lico, ways = self.lico, self.ways
        words = "a photo of a" if lico.prompts == "fixed" and lico.words is None else lico.words
        return Shape(
            lico.contexts, lico.class_at, lico.specific, lico.prompts, words, ways.std, ways.summary, ways.stop
        )

    def _warn(self, tower: Tower) -> None:
        blind = tower.causal and not tower.words and self.lico.class_at == "end" and not self.lico.specific
        if blind and self.ways.summary == "mean" and self.lico.contexts and self.lico.beta:
            warnings.warn(
                f"{self.encoder} reads forward only, so with the class at the end the contexts carry no class; "
                f"class_at=front, specific=true or text=minilm would let them.",
                stacklevel=2,
            )

    # --- the scale of the adjacencies --------------------------------------------------------------------------------

    def _set_scale(self) -> None:
        ways = self.ways
        start = torch.tensor(float("nan") if ways.start is None else ways.start)
        if ways.temperature == "fixed" or not self.lico.alpha:
            self.register_buffer("scale", start)
        elif ways.temperature == "divisor":
            self.divisor = nn.Parameter(1 / start)
        else:
            self.log_scale = nn.Parameter((torch.tensor(1.0) if ways.start is None else start).log())

    def _trained_scale(self, shared: Mapping[str, Tensor]) -> Tensor | None:
        if "divisor" in shared:
            return 1 / shared["divisor"]
        return shared["log_scale"].exp() if "log_scale" in shared else None

    def _scale(self, between: Tensor, step: Step) -> Tensor:
        """The fixed scale, chosen at the first batch of training that has neighbours."""
        if not bool(self.scale.isnan()):
            return self.scale
        n, everybody = between.shape[1], step.everyone(between.detach())
        wanted = max(n / 4, 1 + (n - 1) / 8)
        chosen = scale_for(everybody, wanted)
        reached = float(perplexity(everybody, chosen).median()) / wanted
        if n == 1 or not 1 / NEAR < reached < NEAR:  # duplicates, or nothing to tell apart: another batch decides
            typical = everybody[everybody > 0].mean()
            return torch.where(typical > 0, 1 / typical, 1.0)
        if step.training:
            self.scale.fill_(chosen)
        return torch.tensor(chosen, device=between.device)

    def _clamp(self) -> None:
        if self.ways.temperature == "clamped" and self.lico.alpha:
            with torch.no_grad():
                self.log_scale.clamp_(*BOUNDS)

    def _apply(self, fn, recurse=True):  # type: ignore[no-untyped-def]
        self._tower[0]._apply(fn)
        return super()._apply(fn, recurse)


def _particles(site: Site, wanted: str | None) -> tuple[str, Layout | None]:
    """The layer to look at, and how its maps are read; None where its particles are tokens."""
    path = site.layer(wanted)
    output = site.subject.forward(site.images, (path,)).leaves[0]
    layout = site.layout(path, output)
    if layout.kind not in ("tokens", "sequence"):
        return path, layout
    return (path if wanted else site.last(output.shape)), None


def _clamped(guide: nn.Module, *_: object) -> None:
    if isinstance(guide, Guide):
        guide._clamp()


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=1, keepdim=True).clamp_min(1e-6)
