"""LICO and CGC under Lightning's Trainer: the bound objective is an attribute of the module.

Runs in seconds, without a network: python examples/lightning_trainer.py
"""

import lightning
import torch
from torch.utils.data import DataLoader, TensorDataset

import pellucid as pl


class Guided(lightning.LightningModule):
    """A network and what it is trained towards."""

    def __init__(self, names):
        super().__init__()
        self.model = pl.load_model("pellucid:tiny-cnn:classes=3", weights=None).train()  # Lightning leaves modes alone
        self.objective = pl.objectives.Objective.make("lico:text=minilm+cgc:weight=0.5").bind(self.model, names)

    def training_step(self, batch, _):
        loss, terms = self.objective(batch)
        self.log_dict({**terms, **self.objective.watch}, prog_bar=True)
        return loss

    def validation_step(self, batch, _):
        self.log("validation", self.objective(batch)[0])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.002, momentum=0.9)  # of the model and of the objective


def main():
    torch.manual_seed(0)
    scenes = pl.data.Scenes(classes=3, size=32, length=64)
    images = torch.stack([record.image for record in scenes]).float()
    data = TensorDataset((images / 255 - 0.5) / 0.25, torch.tensor([record.label for record in scenes]))
    module = Guided(scenes.class_names)
    trainer = lightning.Trainer(
        max_epochs=3, logger=False, enable_checkpointing=False, accelerator="cpu", enable_model_summary=False
    )
    trainer.fit(module, DataLoader(data, 16, shuffle=True), DataLoader(data, 32))
    print({name: round(float(value), 3) for name, value in trainer.logged_metrics.items()})
    return trainer


if __name__ == "__main__":
    main()
