"""Networks that timm and torchvision lack, and one way to load any."""

from pellucid.networks._base import Learner as Learner
from pellucid.networks._base import Network as Network
from pellucid.networks._load import Card as Card
from pellucid.networks._load import load_model as load_model
from pellucid.networks._load import save_model as save_model
from pellucid.networks._load import transform_of as transform_of
from pellucid.registry import lazy

__getattr__, __dir__ = lazy(__name__)
