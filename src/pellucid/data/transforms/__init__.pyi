from pellucid.data.transforms._base import Transform as Transform
from pellucid.data.transforms.birds import Birds as Birds
from pellucid.data.transforms.cifar import CIFAR as CIFAR
from pellucid.data.transforms.enlarged import Enlarged as Enlarged
from pellucid.data.transforms.imagenet import ImageNet as ImageNet
from pellucid.data.transforms.plain import Plain as Plain
from pellucid.data.transforms.simclr import SimCLR as SimCLR
from pellucid.data.transforms.squash import Squash as Squash
