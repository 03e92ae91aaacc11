"""SigLIP's text tower (Zhai et al., 2023): a transformer that was trained without a mask.

    out_p = head · LN(transformer(embeddings, filled up with pads to 64))_p,   text = out at position 64

Every position sees every other, pads included: what a text leaves of the 64 positions is always filled with pads, and
they are part of what the tower reads. The vector of a text is the output at the last position, which is mostly a pad;
the head is applied at every position.

>>> tower = Siglip(random=True).load()
>>> tower.fixed, tower.limit, tower.texts(["a dog"]).shape
(True, 64, torch.Size([1, 64]))

With `random=true`: a small tower (two layers, 64 wide) with random weights and a stand-in vocabulary.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.errors import need
from pellucid.text._base import Encoder, Tower, inside_of
from pellucid.text._hub import Ids, fetched, specials_of, tokenizer
from pellucid.text._stand_in import HashedWords, chance
from pellucid.text.bert import SMALL

END = 1  # of SigLIP's vocabulary; it fills up, too


class Siglip(Encoder, name="siglip", paper="arXiv:2303.15343"):
    """What does the language side of SigLIP make of it?"""

    models = ("SiglipModel",)
    visions = ("SiglipVisionModel",)
    quick = {"random": True}
    cite = """
@inproceedings{zhai2023sigmoid,
  title     = {Sigmoid Loss for Language Image Pre-Training},
  author    = {Zhai, Xiaohua and Mustafa, Basil and Kolesnikov, Alexander and Beyer, Lucas},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  year      = {2023},
}"""

    model: str = "google/siglip-base-patch16-224"
    random: bool = False
    seed: int = 0

    def build(self) -> Tower:
        transformers = need("transformers", "text", "the text encoder siglip")
        if self.random:
            config = transformers.SiglipTextConfig(**SMALL, bos_token_id=END, eos_token_id=END)
            with chance(self.seed):
                model = transformers.SiglipTextModel(config)
            return SiglipTower(model, HashedWords(model.config.vocab_size, END + 1), ((), (END,)), END)
        model = fetched(transformers.SiglipTextModel.from_pretrained, self.model, "the encoder siglip")
        return self.around(model, tokenizer(self.model, "the encoder siglip"))

    @classmethod
    def around(cls, model: Any, tokenizer: Any) -> Tower:
        text = getattr(model, "text_model", model)
        return SiglipTower(text, Ids(tokenizer), specials_of(tokenizer), tokenizer.pad_token_id)


class SiglipTower(Tower):
    """The transformer of a Hugging Face SigLIP, read by its own modules."""

    fixed = True

    def __init__(self, text: Any, tokenizer: Any, specials: tuple[tuple[int, ...], tuple[int, ...]], pad: int) -> None:
        super().__init__()
        self.text, self.tokenizer = text, tokenizer
        (self.start, self.stop), self.pad = specials, pad
        self.width = text.embeddings.token_embedding.weight.shape[1]
        self.limit, self.out = len(text.embeddings.position_embedding.weight), text.head.out_features

    def tokens(self, text: str) -> list[int]:
        return self.tokenizer.ids(text)

    def embed(self, ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n width"]:
        table = self.text.embeddings.token_embedding
        return table(ids.to(table.weight.device))

    def read(self, embeddings: Float[Tensor, "u l width"], lengths: Int[Tensor, "u"]) -> Float[Tensor, "u l out"]:
        u, size, _ = embeddings.shape
        pad = self.embed(torch.tensor([self.pad])).to(embeddings)
        inside = inside_of(lengths, size).to(embeddings.device)[:, :, None]
        rest = pad.expand(u, self.limit - size, -1)
        full = torch.cat([torch.where(inside, embeddings, pad), rest], 1)
        hidden = full + self.text.embeddings.position_embedding.weight
        hidden = self.text.encoder(inputs_embeds=hidden, attention_mask=None)[0]
        return self.text.head(self.text.final_layer_norm(hidden))[:, :size]

    def pool(self, outputs: Float[Tensor, "u l out"], lengths: Int[Tensor, "u"]) -> Float[Tensor, "u out"]:
        """The output at the last of all positions."""
        return outputs[:, -1]
