"""Prompts: the tokens that stand for a class, of learnable contexts and the class's name.

    start · X_1 … X_n · name · stop            the class at the end; or in the middle; or at the front

Only the distinct classes of a batch are read, and no further than the last position that is kept. Behind a causal
tower, what all prompts begin with is read once. What is kept: the outputs at the contexts, and one for the class.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pellucid.errors import BadInput, BadKnob
from pellucid.objectives._ways import Summary
from pellucid.text import Tower
from pellucid.text._base import masked_mean

Learn = Literal["learnable", "random", "fixed"]


@dataclass(frozen=True)
class Shape:
    """How a prompt looks."""

    contexts: int = 12
    class_at: Literal["end", "middle", "front"] = "end"
    specific: bool = False  # contexts of its own for every class
    learn: Learn = "learnable"
    words: str | None = None  # that the contexts begin as
    std: float = 0.02
    summary: Summary = "mean"
    stop: str = ""


@dataclass(frozen=True)
class Plan:
    """Where everything is: rows of the bank of embeddings for each prompt, and what of the outputs is kept."""

    prompts: list[list[int]]
    shared: int  # positions that all begin with
    contexts: list[list[int]]  # positions, a prompt each
    named: list[list[int]]


class Prompts(nn.Module):
    """classes -> tokens [u, m, out]. The tower is frozen and no part of it; what it learns is `contexts`."""

    named: Tensor  # [classes, longest, width]: the embeddings of the names
    marks: Tensor  # [marks, width]: of what is no name

    def __init__(self, tower: Tower, names: Sequence[str], shape: Shape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape, self._unseen = shape, (tower,)
        self.ids = [tower.tokens(name) for name in names]
        empty = next((i for i, ids in enumerate(self.ids) if not ids), None)
        if empty is not None:
            raise BadInput(f"class {empty} has the name {names[empty]!r}, in which there is no word; give it a name.")
        self.stop = tower.tokens(shape.stop) if shape.stop else []
        self.slots = self._slots(tower)
        first = self._first(tower, len(names), generator)
        self.contexts = nn.Parameter(first, requires_grad=shape.learn == "learnable" and self.slots > 0)
        self._fits(tower, names)
        self.register_buffer("named", self._padded(tower), persistent=False)
        self.register_buffer("marks", tower.embed(torch.tensor(self._marks(tower))), persistent=False)
        self._known: tuple[Any, Tensor] | None = None  # all tokens, and of which contexts

    @property
    def tower(self) -> Tower:
        return self._unseen[0]

    def forward(self, classes: Int[Tensor, "u"], order: Int[Tensor, "c"] | None = None) -> Float[Tensor, "u m out"]:
        """order: which context stands in which slot."""
        if self.contexts.requires_grad or order is not None:
            return self._tokens(classes, order)
        of = (self.contexts._version, classes.device)
        if self._known is None or self._known[0] != of:  # what never changes is read once
            every = torch.arange(len(self.ids), device=classes.device).split(64)
            with torch.no_grad():
                self._known = (of, torch.cat([self._tokens(part, None) for part in every]))
        return self._known[1][classes]

    # --- one reading -----------------------------------------------------------------------------------------------

    def _tokens(self, classes: Tensor, order: Tensor | None) -> Tensor:
        contexts = self.contexts[classes] if self.shape.specific else self.contexts
        contexts = contexts if order is None else contexts[:, order]
        named = self.named[classes]
        if self.tower.words:
            counts = torch.tensor([len(self.ids[k]) for k in classes.tolist()], device=named.device)
            return torch.cat([contexts.expand(len(classes), -1, -1), masked_mean(named, counts)[:, None]], 1)
        given = classes.tolist()
        lengths = sorted(range(len(given)), key=lambda i: len(self.ids[given[i]]))  # names of one length lie together
        plan = self._plan(given, lengths)
        bank = torch.cat([self.marks, contexts.flatten(0, 1), named.flatten(0, 1)])
        tokens = self._kept(*self._outputs(plan, bank), plan)
        back = torch.tensor(lengths, device=tokens.device).argsort()
        return tokens.index_select(0, back)

    def _outputs(self, plan: Plan, bank: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs as rows, and the row [u, l] of every position."""
        longest, device = max(map(len, plan.prompts)), bank.device
        if self.tower.branches:
            twigs = [prompt[plan.shared :] for prompt in plan.prompts]
            sizes = [len(twig) for twig in twigs]
            trunk, rest = self.tower.branch(
                bank[torch.tensor(plan.prompts[0][: plan.shared], device=device)],
                bank[torch.tensor([row for twig in twigs for row in twig], device=device)],
                sizes,
            )
            at = torch.arange(longest, device=device)
            first = torch.tensor([0, *sizes[:-1]], device=device).cumsum(0)[:, None]
            rows = torch.where(at < plan.shared, at, first + at)
            return torch.cat([trunk, rest]), rows
        pad, longest = len(self.marks) - 1, self.tower.limit if self.tower.fixed else longest
        filled = [prompt + [pad] * (longest - len(prompt)) for prompt in plan.prompts]
        lengths = torch.tensor([len(prompt) for prompt in plan.prompts], device=device)
        outputs = self.tower.read(bank[torch.tensor(filled, device=device)], lengths)
        rows = torch.arange(len(filled) * longest, device=device).view(-1, longest)
        return outputs.flatten(0, 1), rows

    def _kept(self, outputs: Tensor, rows: Tensor, plan: Plan) -> Tensor:
        """The tokens: the contexts', and the class's."""

        def of(positions: list[list[int]]) -> Tensor:
            """[u, p, out]"""
            at = torch.tensor(positions, device=rows.device, dtype=torch.long)
            return outputs[rows.gather(1, at)]

        if self.shape.summary == "all":
            return of(plan.contexts)
        longest = max(map(len, plan.named))
        each = of([positions + positions[:1] * (longest - len(positions)) for positions in plan.named])
        counts = torch.tensor([len(positions) for positions in plan.named], device=rows.device)
        named = masked_mean(each, counts)[:, None]
        if self.shape.summary == "rolls":  # as many prompts as contexts, each rolled by the same one place
            return named.expand(-1, max(1, self.slots), -1)
        return torch.cat([of(plan.contexts), named], 1) if self.slots else named

    # --- what stands where -------------------------------------------------------------------------------------------

    def _plan(self, classes: list[int], order: list[int]) -> Plan:
        marks, longest = len(self.marks), self.named.shape[1]
        prompts, contexts, named = [], [], []
        for i in order:
            k = classes[i]
            own = i if self.shape.specific else 0
            slots = [marks + own * self.slots + j for j in range(self.slots)]
            groups = len(classes) if self.shape.specific else 1
            name = [marks + groups * self.slots + i * longest + j for j in range(len(self.ids[k]))]
            prompt, at, of = self._laid(slots, name)
            prompts.append(prompt)
            contexts.append(at)
            named.append(of)
        if self.shape.summary == "all":
            return self._unmasked(prompts)
        return Plan(prompts, self._shared, contexts, named)

    @property
    def _before(self) -> int:
        """The contexts in front of the class."""
        return {"end": self.slots, "middle": self.slots // 2, "front": 0}[self.shape.class_at]

    @property
    def _shared(self) -> int:
        """The positions with which all prompts begin."""
        return len(self.tower.start) + (0 if self.shape.specific else self._before)

    def _laid(self, slots: list[int], name: list[int]) -> tuple[list[int], list[int], list[int]]:
        """The prompt, cut behind the last position that matters; the positions of its contexts and of its class."""
        tower, before = self.tower, self._before
        start = list(range(len(tower.start)))
        end = [len(start) + i for i in range(len(self.stop) + len(tower.stop))]
        prompt = [*start, *slots[:before], *name, *slots[before:], *end]
        first = len(start) + before
        contexts = [*range(len(start), first), *range(first + len(name), first + len(name) + self.slots - before)]
        named = list(range(first, first + len(name)))
        if self.shape.summary in ("eot", "rolls"):
            named = [tower.limit - 1 if tower.fixed else len(prompt) - len(tower.stop)]
        if tower.causal and self.shape.summary != "all":
            prompt = prompt[: max([*contexts, *named]) + 1]
        return prompt, contexts, named

    def _unmasked(self, prompts: list[list[int]]) -> Plan:
        """Every position behind the first, filled up to the length of the longest prompt of all classes."""
        length = len(self.tower.start) + self.slots + self.named.shape[1] + len(self.stop) + len(self.tower.stop)
        pad = len(self.marks) - 1
        filled = [prompt + [pad] * (length - len(prompt)) for prompt in prompts]
        kept = [list(range(len(self.tower.start), length))] * len(prompts)
        return Plan(filled, self._shared, kept, kept)

    def _marks(self, tower: Tower) -> list[int]:
        """The ids that are no names: the start, a full stop, the end, and what fills up."""
        return [*tower.start, *self.stop, *tower.stop, tower.pad]

    # --- the first contexts ------------------------------------------------------------------------------------------

    def _slots(self, tower: Tower) -> int:
        words = tower.tokens(self.shape.words) if self.shape.words else []
        if self.shape.learn == "fixed":
            return len(words)
        if len(words) > self.shape.contexts:
            raise BadKnob(
                f"the words {self.shape.words!r} are {len(words)} tokens for {self.shape.contexts} contexts; write "
                f"fewer words, or contexts={len(words)}."
            )
        return self.shape.contexts

    def _first(self, tower: Tower, classes: int, generator: torch.Generator) -> Tensor:
        """Drawn, and the words in the first slots."""
        groups = classes if self.shape.specific else 1
        drawn = torch.randn(groups, self.slots, tower.width, generator=generator) * self.shape.std
        words = tower.tokens(self.shape.words) if self.shape.words else []
        if words:
            drawn[:, : len(words)] = tower.embed(torch.tensor(words)).detach().cpu()
        return drawn

    def _padded(self, tower: Tower) -> Tensor:
        """[classes, longest, width]: the embeddings of the names."""
        longest = max(map(len, self.ids))
        filled = torch.tensor([ids + [tower.pad] * (longest - len(ids)) for ids in self.ids])
        return tower.embed(filled).detach()

    def _fits(self, tower: Tower, names: Sequence[str]) -> None:
        if tower.words:
            return
        longest = max(range(len(names)), key=lambda k: len(self.ids[k]))
        length = len(self._marks(tower)) - 1 + self.slots + len(self.ids[longest])
        if length > tower.limit:
            raise BadInput(
                f"the prompt of {names[longest]!r} has {length} tokens, and the text encoder reads {tower.limit}; "
                f"shorten the name, or use fewer contexts."
            )
