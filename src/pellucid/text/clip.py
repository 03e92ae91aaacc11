"""CLIP's text tower (Radford et al., 2021): one causal transformer over sub-words.

    h⁰_p = e(token p) + position p,   h ← h + attention(LN h),   h ← h + MLP(LN h),   out_p = P · LN(h_p)

A text is [start] tokens [end], at most 77 positions, and its vector is the output at [end]. The projection P is applied
at every position. Because a position sees only what stands before it, the ending of one text changes no output of a
beginning that it shares with others: `branch` computes the beginning once, and of the endings only what they see.

>>> q, own = torch.zeros(1, 1, 2, 1), torch.tensor([3.0, 9.0]).view(1, 1, 2, 1)  # a twig of two looks at all alike
>>> seen = torch.tensor([[True, True, False], [True, True, True]])  # the trunk, and itself: means of 0, 3 and 0, 3, 9
>>> twig_attention(q, q, own, q[:, :, :1], q[:, :, :1], seen).flatten().tolist()
[1.5, 4.0]

Traps: the pad id of the papers is 0, which is also the word "!"; harmless, because nothing before a pad sees it. With
`random=true` and no `bpe` file the sub-words are a stand-in (words cut every six letters, ids by hash).
"""

import copy
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import Module
from torch.nn.functional import scaled_dot_product_attention

from pellucid.errors import BadKnob, did_you_mean, need
from pellucid.text._base import Encoder, Tower
from pellucid.text._bpe import Bpe
from pellucid.text._hub import Ids, fetched, tokenizer
from pellucid.text._stand_in import HashedWords, chance

BASE = {"hidden_size": 512, "num_hidden_layers": 12, "num_attention_heads": 8, "intermediate_size": 2048,
        "projection_dim": 512}  # fmt: skip
KNOWN: Mapping[str, Mapping[str, int]] = {  # of the text towers; all have 49408 sub-words and 77 positions
    "openai/clip-vit-base-patch32": BASE,
    "openai/clip-vit-base-patch16": BASE,
    "openai/clip-vit-large-patch14": {
        "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
        "projection_dim": 768,
    },
    "tiny": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
        "projection_dim": 24,
    },
}  # fmt: skip


class Clip(Encoder, name="clip", paper="arXiv:2103.00020"):
    """What does the language side of CLIP make of it?"""

    models = ("CLIPModel",)
    visions = ("CLIPVisionModelWithProjection",)
    quick = {"model": "tiny", "random": True}
    cite = """
@inproceedings{radford2021learning,
  title     = {Learning Transferable Visual Models From Natural Language Supervision},
  author    = {Radford, Alec and Kim, Jong Wook and Hallacy, Chris and Ramesh, Aditya and Goh, Gabriel and
               Agarwal, Sandhini and Sastry, Girish and Askell, Amanda and Mishkin, Pamela and Clark, Jack and
               Krueger, Gretchen and Sutskever, Ilya},
  booktitle = {International Conference on Machine Learning},
  year      = {2021},
}"""

    model: str | Module = "openai/clip-vit-base-patch32"  # a name, a folder, or a CLIPModel from Python
    random: bool = False  # the same architecture with random weights: for tests, benchmarks and as a control
    seed: int = 0
    bpe: str | None = None  # bpe_simple_vocab_16e6.txt.gz
    tokenizer: object = None  # of a model that is given as an object

    def build(self) -> Tower:
        model = self._random() if self.random else self._trained()
        return ClipTower(model, self._tokenizer(model))

    @classmethod
    def around(cls, model: Any, tokenizer: Any) -> Tower:
        return ClipTower(model, Ids(tokenizer))

    def _trained(self) -> Any:
        if not isinstance(self.model, str):
            return _text_side(self.model)
        transformers = need("transformers", "text", "the text encoder clip")
        return fetched(transformers.CLIPTextModelWithProjection.from_pretrained, self.model, "the encoder clip")

    def _random(self) -> Any:
        if not isinstance(self.model, str) or self.model not in KNOWN:
            known = did_you_mean(str(self.model), KNOWN)
            raise BadKnob(f"clip:random=true knows no architecture {str(self.model)[:60]!r}; {known}")
        transformers = need("transformers", "text", "the text encoder clip")
        config = transformers.CLIPTextConfig(**KNOWN[self.model])
        with chance(self.seed):
            return transformers.CLIPTextModelWithProjection(config)

    def _tokenizer(self, model: Any) -> Any:
        if self.bpe is not None:
            return Bpe(Path(self.bpe).expanduser())
        if self.tokenizer is not None:
            return Ids(self.tokenizer)
        if not isinstance(self.model, str):
            from pellucid.text._own import tokenizer_of

            return Ids(tokenizer_of(self.model))
        if self.random:
            return HashedWords(model.config.vocab_size - 2, first=256)
        return Ids(tokenizer(self.model, "the encoder clip"))


def _text_side(model: Any) -> Any:
    """A copy of the text tower of a model, which stays as it was."""
    side = nn.Module()
    side.text_model = copy.deepcopy(model.text_model)
    side.text_projection = copy.deepcopy(model.text_projection)
    side.config = getattr(model.config, "text_config", model.config)
    return side


class ClipTower(Tower):
    """The transformer of a Hugging Face CLIP: read by its own modules, branched by a short forward over its weights."""

    causal = True
    branches = True

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        self.text, self.projection = model.text_model, model.text_projection
        self.tokenizer = tokenizer
        embeddings = self.text.embeddings
        vocabulary, self.width = embeddings.token_embedding.weight.shape
        self.limit, self.out = len(embeddings.position_embedding.weight), self.projection.weight.shape[0]
        self.start, self.stop = (vocabulary - 2,), (vocabulary - 1,)

    def tokens(self, text: str) -> list[int]:
        return self.tokenizer.ids(text)

    def embed(self, ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n width"]:
        table = self.text.embeddings.token_embedding
        return table(ids.to(table.weight.device))

    def read(self, embeddings: Float[Tensor, "u l width"], lengths: Int[Tensor, "u"]) -> Float[Tensor, "u l out"]:
        size = embeddings.shape[1]
        hidden = embeddings + self._positions[:size]
        unseen = torch.full((size, size), -torch.inf, dtype=hidden.dtype, device=hidden.device).triu(1)
        hidden = self.text.encoder(inputs_embeds=hidden, attention_mask=unseen[None, None])[0]
        return self.projection(self.text.final_layer_norm(hidden))

    def pool(self, outputs: Float[Tensor, "u l out"], lengths: Int[Tensor, "u"]) -> Float[Tensor, "u out"]:
        """The output at [end]."""
        return outputs[torch.arange(len(outputs), device=outputs.device), lengths - 1]

    def branch(
        self, trunk: Float[Tensor, "p width"], twigs: Float[Tensor, "t width"], sizes: Sequence[int]
    ) -> tuple[Float[Tensor, "p out"], Float[Tensor, "t out"]]:
        p = len(trunk)
        packing = _packing(p, tuple(sizes), trunk.device)
        hidden = torch.cat([trunk, twigs]) + self._positions[packing.positions]
        for block in self.text.encoder.layers:
            hidden = hidden + _attend(block.self_attn, block.layer_norm1(hidden), packing)
            hidden = hidden + block.mlp(block.layer_norm2(hidden))
        done = self.projection(self.text.final_layer_norm(hidden))
        return done[:p], done[p:]

    @property
    def _positions(self) -> Tensor:
        return self.text.embeddings.position_embedding.weight


class Packing:
    """Where the positions of a trunk and of its twigs lie: one after another, in groups of neighbours of one size."""

    def __init__(self, p: int, sizes: tuple[int, ...], device: torch.device) -> None:
        self.trunk = p
        self.groups: list[tuple[slice, int, Tensor]] = []  # where, of what size, and what of trunk and twig is seen
        first = p
        for size, twigs in groupby(sizes):
            last = first + size * len(list(twigs))
            along = torch.arange(size)
            seen = torch.cat([torch.ones(size, p, dtype=torch.bool), along <= along[:, None]], 1)
            self.groups.append((slice(first, last), size, seen.to(device)))
            first = last
        along = [torch.arange(p), *(torch.arange(p, p + size) for size in sizes)]
        self.positions = torch.cat(along).to(device)


@lru_cache(maxsize=64)
def _packing(p: int, sizes: tuple[int, ...], device: torch.device) -> Packing:
    return Packing(p, sizes, device)


def _attend(attention: Any, x: Tensor, packing: Packing) -> Tensor:
    """One layer's attention over the packed positions [p + t, width]."""
    parts = [part(x) for part in (attention.q_proj, attention.k_proj, attention.v_proj)]
    size, p = attention.head_dim, packing.trunk
    trunk = [heads(part[:p][None], size) for part in parts]
    mixed = [scaled_dot_product_attention(trunk[0], trunk[1], trunk[2], is_causal=True)]
    for where, length, seen in packing.groups:
        q, k, v = (heads(part[where].unflatten(0, (-1, length)), size) for part in parts)
        mixed.append(twig_attention(q, k, v, trunk[1], trunk[2], seen))
    return attention.out_proj(torch.cat([part.transpose(1, 2).flatten(2).flatten(0, 1) for part in mixed]))


def heads(x: Float[Tensor, "u l w"], size: int) -> Float[Tensor, "u h l d"]:
    return x.unflatten(2, (-1, size)).transpose(1, 2)


def twig_attention(
    q: Float[Tensor, "u h l d"],
    k: Float[Tensor, "u h l d"],
    v: Float[Tensor, "u h l d"],
    trunk_k: Float[Tensor, "1 h p d"],
    trunk_v: Float[Tensor, "1 h p d"],
    seen: Bool[Tensor, "l p+l"],
) -> Float[Tensor, "u h l d"]:
    """What every position of a twig takes from the trunk, and from its own twig up to itself."""
    k, v = (torch.cat([stem.expand(len(q), -1, -1, -1), own], 2) for stem, own in ((trunk_k, k), (trunk_v, v)))
    return scaled_dot_product_attention(q, k, v, attn_mask=seen)
