"""Small pretrained networks of the folder of real data, whose accuracy is known."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v2, squeezenet1_1

from tests.real.birds import fill


class _Block(nn.Module):
    """Two convolutions; where the size changes, the shortcut takes every other pixel and adds empty channels."""

    def __init__(self, before: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.stride, self.more = stride, (planes - before) // 2

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        short = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more, self.more))
        return (out + short).relu()


class _ResNet(nn.Module):
    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        sizes = [(16, 16, 1), (16, 32, 2), (32, 64, 2)]
        layers = [
            nn.Sequential(
                *[_Block(before if i == 0 else planes, planes, stride if i == 0 else 1) for i in range(blocks)]
            )
            for before, planes, stride in sizes
        ]
        self.layer1, self.layer2, self.layer3 = layers
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.bn1(self.conv1(x)).relu())))
        return self.linear(x.mean((2, 3)))


@cache
def cifar_resnet(folder: str, depth: int) -> nn.Module:
    """ResNet-20, -32 or -56 for pictures of 32 pixels."""
    net = _ResNet((depth - 2) // 6)
    path = next((Path(folder) / "weights").glob(f"cifar10_resnet{depth}-*.th"))
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    net.load_state_dict({key.removeprefix("module."): tensor for key, tensor in state.items()})
    return net.eval()


@cache
def squeezenet(folder: str) -> nn.Module:
    """SqueezeNet 1.1 of ImageNet; its input is 0 to 255 less a mean colour."""
    net = squeezenet1_1(weights=None)
    arrays = np.load(Path(folder) / "weights" / "squeezenet1_1_imagenet_fp16.npz")
    net.load_state_dict({key: torch.from_numpy(arrays[key].astype(np.float32)) for key in arrays.files})
    return net.eval()


@cache
def mobilenet(folder: str) -> nn.Module:
    """MobileNetV2 of ImageNet, eight bits a weight."""
    net = mobilenet_v2(weights=None)
    return fill(net, np.load(Path(folder) / "weights" / "mobilenet_v2_imagenet_int8.npz"))
