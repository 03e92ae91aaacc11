"""What `test_errors.py` does to text encoders, and to the question about a text, to hear what they say."""

import gzip
import sys
from unittest.mock import patch

import torch

from pellucid.questions import Question
from pellucid.registry import catalog
from pellucid.text import Encoder, auto
from pellucid.text import _auto as choosing
from pellucid.text._own import own_tower
from pellucid.text.minilm import checked
from tests.behaviour.small_towers import siglip

OFFLINE = {"HF_HUB_OFFLINE": "1"}


def offline(name):
    with patch.dict("os.environ", OFFLINE):
        return Encoder.make(name).load()


def without(*packages):
    """A place where these packages are not installed."""
    return patch.dict(sys.modules, dict.fromkeys(packages))


def no_transformers(name):
    with without("transformers"):
        return Encoder.make(name).load()


def nothing_to_choose():
    with patch.object(choosing, "find_spec", lambda name: None):
        return auto()


def vectors(tmp_path, content, words):
    file = tmp_path / "vectors.txt"
    file.write_bytes(content)
    return catalog("encoders")["word-vectors"](file=str(file)).load().texts(words)


def not_an_encoder(tmp_path):
    from transformers import CLIPTextConfig, CLIPTextModel

    tiny = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    CLIPTextModel(CLIPTextConfig(**tiny, vocab_size=9, bos_token_id=7, eos_token_id=8)).save_pretrained(tmp_path)
    return Encoder.make("bert").but(model=str(tmp_path)).load()


def other_weights(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    return checked(tmp_path)


def merges(tmp_path):
    (tmp_path / "bpe.txt.gz").write_bytes(b"no archive")
    return Encoder.make("clip:model=tiny,random=true").but(bpe=str(tmp_path / "bpe.txt.gz")).load()


def asked(width):
    question = Question.make('prompt:text="a dog",encoder=random-words')
    return question.bind(torch.ones(2, width), None, lambda images: images)


OF_TEXT = {
    "text: hub offline": lambda tmp_path: offline("clip:model=somebody/of-that-name"),
    "text: no transformers": lambda tmp_path: no_transformers("clip"),
    "text: no encoder at all": lambda tmp_path: nothing_to_choose(),
    "text: unknown architecture": lambda tmp_path: Encoder.make("clip:model=openai/clip,random=true").load(),
    "text: merges": merges,
    "text: not an encoder": not_an_encoder,
    "text: other weights": other_weights,
    "text: more names than axes": lambda _: Encoder.make("one-hot:width=1").load().texts(["a", "b"]),
    "text: no vectors there": lambda tmp_path: Encoder.make("word-vectors:file=nowhere.txt").load(),
    "text: no vectors in it": lambda tmp_path: vectors(tmp_path, b"a line of words\n", ["cat"]),
    "text: a line without numbers": lambda tmp_path: vectors(tmp_path, b"dog 1.0 2.0\ncat one two\n", ["cat"]),
    "text: word missing": lambda tmp_path: vectors(tmp_path, b"dog 1.0 2.0\n", ["dog", "zebra finch"]),
    "text: vectors cut off": lambda tmp_path: vectors(tmp_path, CUT, ["far"]),
    "prompt: other width": lambda tmp_path: asked(10),
    "prompt: no tokenizer": lambda tmp_path: own_tower(siglip()),
}
CUT = gzip.compress(b"".join(f"word{i} {i}.5 2.0\n".encode() for i in range(9999)), mtime=0)[:-99]
