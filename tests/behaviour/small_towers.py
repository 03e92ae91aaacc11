"""Two-tower models of toy size, in folders as the hub has them: weights, configuration and tokenizer."""

import json

import torch

from pellucid.text._bpe import _letters

SIDE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
PICTURE = {**SIDE, "image_size": 32, "patch_size": 8}
MERGES = [("d", "o"), ("do", "g</w>"), ("c", "a"), ("ca", "t</w>")]


def clip_vocabulary():
    """Bytes, bytes that end a word, a few merges, start and end."""
    letters = list(_letters().values())
    return [*letters, *(f"{x}</w>" for x in letters), *map("".join, MERGES), "<|startoftext|>", "<|endoftext|>"]


def clip_folder(folder):
    """A CLIPModel with random weights that make its answers differ, and the tokenizer of a few merges."""
    from transformers import CLIPConfig, CLIPModel

    folder.mkdir(parents=True, exist_ok=True)
    words = clip_vocabulary()
    ends = {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1, "pad_token_id": len(words) - 1}
    text = {**SIDE, "vocab_size": len(words), "projection_dim": 24, "max_position_embeddings": 77, **ends}
    config = CLIPConfig(text_config=text, vision_config={**PICTURE, "projection_dim": 24}, projection_dim=24)
    livelier(CLIPModel(config), 3).save_pretrained(folder)
    clip_tokenizer(folder)
    return folder


def clip_tokenizer(folder):
    """The published layout: vocab.json and merges.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(clip_vocabulary())}))
    (folder / "merges.txt").write_text("#version\n" + "\n".join(map(" ".join, MERGES)) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))
    return folder


def align_folder(folder):
    """An AlignModel of toy size with a BERT vocabulary of a dozen words."""
    from transformers import AlignConfig, AlignModel, BertTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "cat", "photo", "of", "the", "red"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    text = {**SIDE, "vocab_size": len(words)}
    vision = {"image_size": 32, "width_coefficient": 0.25, "depth_coefficient": 0.2, "hidden_dim": 24}
    config = AlignConfig(text_config=text, vision_config=vision, projection_dim=80)  # as wide as its images
    livelier(AlignModel(config), 1).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def siglip():
    """A SiglipModel of toy size; its tokenizer would need a file of its own."""
    from transformers import SiglipConfig, SiglipModel

    text = {**SIDE, "vocab_size": 100, "bos_token_id": 1, "eos_token_id": 1}
    return livelier(SiglipModel(SiglipConfig(text_config=text, vision_config=PICTURE)), 3)


def livelier(model, factor):
    """Fresh weights are so small that attention is flat; these are larger, and biases are not zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.mul_(factor)
            elif parameter.ndim == 1:
                parameter.add_(0.05 * noise)
    return model.eval()
