"""LICO under Hugging Face's Trainer: a wrapper whose forward returns the loss.

Runs in seconds, without a network: python examples/hf_trainer.py
"""

import tempfile

import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

import pellucid as pl


class Guided(torch.nn.Module):
    """What Trainer calls: images and labels in, the loss and the scores out."""

    def __init__(self, model, names, size):
        super().__init__()
        self.model = model
        self.objective = pl.objectives.LICO(text="minilm", class_at="front").bind(model, names, (size, size))

    def forward(self, pixel_values, labels):
        loss, terms = self.objective({"pixel_values": pixel_values, "labels": labels})
        return {"loss": loss, **terms}


class Pictures(Dataset):
    """Records as Trainer wants them."""

    def __init__(self, scenes):
        self.scenes = scenes

    def __len__(self):
        return len(self.scenes)

    def __getitem__(self, i):
        record = self.scenes[i]
        return {"pixel_values": (record.image.float() / 255 - 0.5) / 0.25, "labels": record.label}


def main():
    torch.manual_seed(0)
    scenes = pl.data.Scenes(classes=3, size=32, length=64)
    config = ViTConfig(
        image_size=32, patch_size=8, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        num_labels=3,
    )  # fmt: skip
    guided = Guided(ViTForImageClassification(config), scenes.class_names, 32)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, max_steps=20, per_device_train_batch_size=16, learning_rate=3e-3, report_to=[], save_strategy="no",
            use_cpu=True, disable_tqdm=True, logging_steps=5,
        )  # fmt: skip
        trainer = Trainer(guided, arguments, train_dataset=Pictures(scenes))
        trainer.train()
    print([round(entry["loss"], 3) for entry in trainer.state.log_history if "loss" in entry])
    return trainer


if __name__ == "__main__":
    main()
