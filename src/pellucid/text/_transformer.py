"""Towers around bidirectional Hugging Face encoders: BERT and its kin, which take embeddings and a mask."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pellucid.text._base import Tower, inside_of, masked_mean

Pool = Callable[[Tensor, Tensor], Tensor]


class Bidirectional(Tower):
    """Every position sees every other of its text, none sees a pad; where it is `causal`, none sees what comes after.
    Outputs are projected where there is a projection; a text's vector is the mean over its positions unless told
    otherwise."""

    def __init__(
        self, model: Any, tokenizer: Any, specials: tuple[tuple[int, ...], tuple[int, ...]], pad: int = 0
    ) -> None:
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.start, self.stop = specials
        self.pad, self.limit = pad, model.config.max_position_embeddings
        self.table: nn.Embedding = model.get_input_embeddings()
        self.width = self.out = self.table.weight.shape[1]
        self.projection: nn.Module = nn.Identity()
        self.first = False  # a text's vector is the output at the first position

    def projected(self, projection: nn.Linear) -> "Bidirectional":
        """The same with outputs projected, and the first position's for the text."""
        self.projection, self.out, self.first = projection, projection.out_features, True
        return self

    def tokens(self, text: str) -> list[int]:
        return self.tokenizer.ids(text)

    def embed(self, ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n width"]:
        return self.table(ids.to(self.table.weight.device))

    def read(self, embeddings: Float[Tensor, "u l width"], lengths: Int[Tensor, "u"]) -> Float[Tensor, "u l out"]:
        mask: Tensor = inside_of(lengths, embeddings.shape[1]).to(embeddings.device).long()
        if self.causal:
            seen = mask[:, None, None].bool() & torch.ones_like(mask[0].expand(len(mask[0]), -1)).tril().bool()
            mask = torch.zeros_like(seen, dtype=embeddings.dtype).masked_fill(~seen, torch.finfo(embeddings.dtype).min)
        hidden = self.model(inputs_embeds=embeddings, attention_mask=mask).last_hidden_state
        return self.projection(hidden)

    def pool(self, outputs: Float[Tensor, "u l out"], lengths: Int[Tensor, "u"]) -> Float[Tensor, "u out"]:
        return outputs[:, 0] if self.first else masked_mean(outputs, lengths)
