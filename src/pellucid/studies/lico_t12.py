"""LICO, table 12: who reads the words.

accuracy:  CLIP > words without a sentence (w2v), CLIP > no language at all, CLIP >= BERT

w2v has no context tokens, w2v-p random ones that do not learn; bert-align is the text side of ALIGN. The vectors of
words are those of the file word-vectors.txt in the folder where it runs. At tiny there is no CLIP: MiniLM reads,
against random vectors without any meaning (in the place of word vectors) and nothing at all, of all labels and of a
quarter.

>>> print(next(LicoT12().claims()))
accuracy (all labels): minilm > none
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pellucid.studies._base import Study
from pellucid.studies._cells import Reading
from pellucid.studies._claims import Claim
from pellucid.studies._training import CIFAR, first, labels
from pellucid.studies._worlds import SMALL, TINY

VECTORS = "(word-vectors:file=word-vectors.txt)"
WORLDS = {
    "tiny": {"all labels": TINY, "120 labels": labels(TINY, 120, epochs=10)},
    "small": {"all labels": SMALL, "400 labels": labels(SMALL, 400, epochs=75)},
    "paper": {"all labels": CIFAR, "4000 labels": labels(CIFAR, 4000)},
}
ARMS: Mapping[str, Mapping[str, Any]] = {
    "clip": {}, "bert": {"text": "bert"}, "bert-align": {"text": "align"}, "w2v": {"text": VECTORS, "contexts": 0},
    "w2v-p": {"text": VECTORS, "prompts": "random"},
}  # fmt: skip


class LicoT12(Study, name="lico-t12", paper="arXiv:2310.09821"):
    """Who should read the names of the classes?"""

    of, where = "lico", "Table 12"
    title = "Text encoders"
    claim = "A reader that knows pictures, as CLIP's, is better than words alone, and than no language."
    worlds = first(WORLDS)

    @property
    def arms(self) -> Mapping[str, Mapping[str, Any]]:
        if self.scale == "paper":
            return ARMS
        return {"minilm": {}, "random-words": {"text": "random-words"}}

    def readings(self, seed: int) -> Iterator[Reading]:
        for setting, at in WORLDS[self.scale].items():
            for name, knobs in self.arms.items():
                yield from at.measured(at.trained("lico", seed, **knobs), seed, name, setting=setting)
            yield from at.measured(at.trained("ce", seed), seed, "none", setting=setting)

    def claims(self) -> Iterator[Claim]:
        best, *others = self.arms
        for setting in WORLDS[self.scale]:
            yield Claim("accuracy", best, "none", 0.001, setting)
            for other in others:
                if other != "bert-align":  # as good, in the paper
                    yield Claim("accuracy", best, other, 0.001, setting, main=other in ("w2v", "random-words"))
