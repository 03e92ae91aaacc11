"""ALIGN's text tower (Jia et al., 2021): a BERT that was trained beside an image tower.

    out_p = P · BERT(embeddings)_p,   text = out at [CLS]

Bidirectional: contexts and class see one another wherever they stand. The projection P, which the authors apply to
[CLS], is applied at every position.

>>> tower = Align(random=True).load()
>>> tower.width, tower.out, tower.texts(["a dog"]).shape
(64, 48, torch.Size([1, 48]))

With `random=true`: a small tower (two layers, 64 wide, 48 out) with random weights and a stand-in vocabulary.
"""

from typing import Any

import torch

from pellucid.errors import need
from pellucid.text._base import Encoder, Tower
from pellucid.text._hub import Ids, fetched, specials_of, tokenizer
from pellucid.text._stand_in import HashedWords, chance
from pellucid.text._transformer import Bidirectional
from pellucid.text.bert import ORDINARY, SMALL, SPECIALS


class Align(Encoder, name="align", paper="arXiv:2102.05918"):
    """What does the language side of ALIGN make of it?"""

    models = ("AlignModel",)
    quick = {"random": True}
    cite = """
@inproceedings{jia2021scaling,
  title     = {Scaling Up Visual and Vision-Language Representation Learning With Noisy Text Supervision},
  author    = {Jia, Chao and Yang, Yinfei and Xia, Ye and Chen, Yi-Ting and Parekh, Zarana and Pham, Hieu and
               Le, Quoc and Sung, Yun-Hsuan and Li, Zhen and Duerig, Tom},
  booktitle = {International Conference on Machine Learning},
  year      = {2021},
}"""

    model: str = "kakaobrain/align-base"
    random: bool = False
    seed: int = 0

    def build(self) -> Tower:
        transformers = need("transformers", "text", "the text encoder align")
        if self.random:
            return self._small(transformers)
        whole = fetched(transformers.AlignModel.from_pretrained, self.model, "the encoder align")
        return self.around(whole, tokenizer(self.model, "the encoder align"))

    @classmethod
    def around(cls, model: Any, tokenizer: Any) -> Tower:
        tower = Bidirectional(model.text_model, Ids(tokenizer), specials_of(tokenizer), tokenizer.pad_token_id or 0)
        return tower.projected(model.text_projection)

    def _small(self, transformers: Any) -> Tower:
        with chance(self.seed):
            text = transformers.AlignTextModel(transformers.AlignTextConfig(**SMALL), add_pooling_layer=False)
            projection = torch.nn.Linear(SMALL["hidden_size"], 48)
        return Bidirectional(text, HashedWords(text.config.vocab_size, ORDINARY), SPECIALS).projected(projection)
