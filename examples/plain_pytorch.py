"""LICO in one's own loop: plain PyTorch. Runs in seconds, without a network: python examples/plain_pytorch.py"""

import torch

import pellucid as pl

torch.manual_seed(0)
scenes = pl.data.Scenes(classes=3, size=32, length=96)
images = torch.stack([record.image for record in scenes])
labels = torch.tensor([record.label for record in scenes])
images = (images.float() / 255 - 0.5) / 0.25

model = pl.load_model("pellucid:tiny-cnn:classes=3", weights=None).train()
objective = pl.objectives.LICO(text="minilm").bind(model, scenes.class_names)
optimiser = torch.optim.SGD([*model.parameters(), *objective.parameters()], lr=0.01, momentum=0.9)

for epoch in range(3):
    for rows in torch.randperm(len(images)).split(16):
        loss, terms = objective((images[rows], labels[rows]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(epoch, {name: round(float(term), 3) for name, term in terms.items()})

torch.save({"model": model.state_dict(), "objective": objective.state_dict()}, "lico.pt")  # the model is a plain one
