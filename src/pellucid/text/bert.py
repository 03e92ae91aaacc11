"""BERT (Devlin et al., 2018), and any encoder of its kind that takes embeddings: RoBERTa, DistilBERT, ….

    out = transformer(embeddings),   text = mean of out over the positions of the text

Bidirectional: contexts and class see one another wherever they stand. BERT's own [CLS] was trained for telling the next
sentence and says little of a single one, so the mean stands for the text, start and end included.

>>> masked_mean(torch.tensor([[[2.0], [4.0], [9.0]]]), torch.tensor([2])).tolist()
[[3.0]]

With `random=true`: a small BERT (two layers, 64 wide) with random weights and a stand-in vocabulary.
"""

from inspect import signature
from typing import Any

import torch

from pellucid.errors import BadModel, need
from pellucid.text._base import Encoder, Tower, masked_mean
from pellucid.text._hub import Ids, fetched, specials_of, tokenizer
from pellucid.text._stand_in import HashedWords, chance
from pellucid.text._transformer import Bidirectional

SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
SPECIALS = ((101,), (102,))  # [CLS] and [SEP] of BERT's vocabulary
ORDINARY = 999  # the first id in it that is no special


class Bert(Encoder, name="bert", paper="arXiv:1810.04805"):
    """What does a reader of running text make of it?"""

    quick = {"random": True}
    cite = """
@inproceedings{devlin2019bert,
  title     = {{BERT}: Pre-training of Deep Bidirectional Transformers for Language Understanding},
  author    = {Devlin, Jacob and Chang, Ming-Wei and Lee, Kenton and Toutanova, Kristina},
  booktitle = {Conference of the North American Chapter of the Association for Computational Linguistics},
  year      = {2019},
}"""

    model: str = "bert-base-uncased"
    random: bool = False
    seed: int = 0

    def build(self) -> Tower:
        transformers = need("transformers", "text", "the text encoder bert")
        if self.random:
            with chance(self.seed):
                model = transformers.BertModel(transformers.BertConfig(**SMALL), add_pooling_layer=False)
            return Bidirectional(model, HashedWords(model.config.vocab_size, ORDINARY), SPECIALS)
        model = fetched(transformers.AutoModel.from_pretrained, self.model, "the encoder bert")
        self._suits(model)
        words = tokenizer(self.model, "the encoder bert")
        tower = Bidirectional(model, Ids(words), specials_of(words), words.pad_token_id or 0)
        tower.limit = min(tower.limit, words.model_max_length)  # RoBERTa counts its positions from 2
        return tower

    def _suits(self, model: Any) -> None:
        takes = signature(model.forward).parameters
        if model.config.is_encoder_decoder or not {"inputs_embeds", "attention_mask"} <= set(takes):
            raise BadModel(
                f"the text model {self.model} is {type(model).__name__}, which is no encoder that takes embeddings; "
                f"give the name of one, such as bert-base-uncased."
            )
