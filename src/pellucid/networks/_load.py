"""Load a model from where models are, with its preprocessing.

    timm:resnet50 · torchvision:resnet50 · hf:google/vit-base-patch16-224 · pellucid:tiny-cnn:classes=3 · a file ·
    the folder of a training

A file is a checkpoint (.safetensors, .pt, .pth, .th, .ckpt, .bin). One that `save_model` wrote knows its network; a
bare state dict needs `network=`. Files are opened with `weights_only=True`, or as safetensors.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from inspect import signature
from math import floor
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pellucid.data._base import IMAGENET_MEAN, IMAGENET_STD
from pellucid.errors import BadFile, BadInput, BadModel, UnknownName, did_you_mean, kind, listed, need
from pellucid.files import write_atomically
from pellucid.networks._base import Network

SUFFIXES = (".safetensors", ".pt", ".pth", ".th", ".ckpt", ".bin")
MODEL = "model.safetensors"  # in the folder of a training
PREFIXES = ("module.", "_orig_mod.", "model.")


@dataclass(frozen=True)
class Card:
    """What is known of a loaded model besides its weights."""

    network: str
    size: tuple[int, int] = (224, 224)
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    crop: float | None = 0.875  # the share of the resized image that is kept; None resizes to the size exactly
    interpolation: str = "bilinear"
    classes: tuple[str, ...] = ()
    outputs: int | None = None  # how many classes were asked for, where that is not the network's own number

    def transform(self) -> Callable[[Any], Tensor]:
        """PIL image or uint8 tensor to the model's input [c, h, w]."""
        from torchvision.transforms import InterpolationMode, v2

        height, width = self.size
        how = InterpolationMode(self.interpolation)
        if self.crop is None:
            sized: list[Any] = [v2.Resize([height, width], how, antialias=True)]
        else:
            edge = floor(min(self.size) / self.crop + 1e-6)
            sized = [v2.Resize(edge, how, antialias=True), v2.CenterCrop([height, width])]
        grey = [v2.Grayscale()] if len(self.mean) == 1 else [v2.RGB()]
        scaled = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(self.mean), list(self.std))]
        # a PIL image is resized by PIL, as when the weights were trained
        return v2.Compose([*grey, *sized, v2.ToImage(), *scaled])


def load_model(
    name: str | Path,
    *,
    num_classes: int | None = None,
    weights: str | Path | None = "default",
    network: str | None = None,
    device: str | torch.device | None = None,
) -> nn.Module:
    """A model in evaluation mode. weights: "default" for the published ones, None for random ones, or a file."""
    text = str(name)
    if (Path(text) / MODEL).is_file():  # the folder of a training
        text = str(Path(text) / MODEL)
    if network is not None or text.endswith(SUFFIXES):
        model = _from_file(Path(text), network, num_classes)
    else:
        model = _from_source(text, num_classes, weights)
    return model.eval() if device is None else model.eval().to(device)


@runtime_checkable
class Trained(Protocol):
    """What has a model, as a Fit does."""

    model: nn.Module


Model = nn.Module | Trained | str | Path


def as_model(model: Any) -> nn.Module:
    """The module that is meant: itself, a Fit's model, or what a text form, a file or a training's folder holds."""
    if isinstance(model, str | Path):
        return load_model(model)
    found = model if isinstance(model, nn.Module) else getattr(model, "model", None)
    if not isinstance(found, nn.Module):
        raise BadInput(f"model is {kind(model)}; give a torch.nn.Module (see pl.load_model).")
    return found


def card_of(model: nn.Module) -> Card | None:
    """What load_model attached, or what timm left in the model."""
    card = getattr(model, "pellucid_card", None)
    if isinstance(card, Card):
        return card
    config = getattr(model, "pretrained_cfg", None)
    return _timm_card(f"timm:{config.get('architecture', type(model).__name__)}", config) if config else None


def own_transform(model: nn.Module) -> Callable[[Any], Tensor] | None:
    """The preprocessing of a model, where it is known."""
    card = card_of(model)
    return None if card is None else card.transform()


def transform_of(model: nn.Module) -> Callable[[Any], Tensor]:
    """The preprocessing of a model that load_model made."""
    own = own_transform(model)
    if own is None:
        raise BadModel(
            f"no preprocessing is known for {type(model).__name__}; load it with pl.load_model, or write its transform."
        )
    return own


def save_model(model: nn.Module, path: str | Path, card: Card | None = None) -> Path:
    """Weights and card in one .safetensors file, which load_model opens by itself."""
    from safetensors.torch import save

    card = card or card_of(model)
    if card is None:
        raise BadModel(f"no network is known for {type(model).__name__}; give card=Card(network=...).")
    return write_atomically(path, save(weights_of(model), {"pellucid": json.dumps(asdict(card))}))


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """As safetensors takes them: shared tensors once each, for it refuses aliases, and row by row, no channels_last."""
    return {key: tensor.detach().cpu().clone().contiguous() for key, tensor in model.state_dict().items()}


def _from_source(text: str, num_classes: int | None, weights: str | Path | None) -> nn.Module:
    source, _, name = text.partition(":")
    if source not in SOURCES or not name:
        raise UnknownName(
            f"there is no model {text!r}; write timm:NAME, torchvision:NAME, hf:NAME, pellucid:NAME, or a file "
            f"ending in {listed(SUFFIXES)}."
        )
    file = weights if weights not in ("default", None) else None
    try:
        model, card = SOURCES[source](name, num_classes, weights == "default")
    except OSError as cause:
        raise BadModel(
            f"the weights of {text} could not be fetched ({str(cause).splitlines()[0]}); give weights=FILE, or "
            f"weights=None for random ones."
        ) from None
    if file is not None:
        _fill(model, _state(Path(file))[0], Path(file))
    return _carded(model, card if num_classes is None else replace(card, outputs=num_classes))


def _carded(model: nn.Module, card: Card) -> nn.Module:
    model.pellucid_card = card  # type: ignore[assignment]
    return model


def _timm(name: str, num_classes: int | None, pretrained: bool) -> tuple[nn.Module, Card]:
    import timm

    if not timm.is_model(name.removeprefix("hf-hub:")) and not name.startswith("hf-hub:"):
        raise UnknownName(f"timm has no model {name!r}; {did_you_mean(name, timm.list_models())}")
    head: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    model = _fetched(lambda: timm.create_model(name, pretrained=pretrained, **head), f"timm:{name}")
    return model, _timm_card(f"timm:{name}", model.pretrained_cfg)


def _timm_card(network: str, config: Mapping[str, Any]) -> Card:
    size = config.get("input_size") or (3, 224, 224)
    return Card(
        network=network,
        size=(size[1], size[2]),
        mean=tuple(config.get("mean") or IMAGENET_MEAN),
        std=tuple(config.get("std") or IMAGENET_STD),
        crop=None if config.get("crop_mode") == "squash" else config.get("crop_pct") or 0.875,
        interpolation=config.get("interpolation") or "bicubic",
        classes=tuple(config.get("label_names") or ()),
    )


def _torchvision(name: str, num_classes: int | None, pretrained: bool) -> tuple[nn.Module, Card]:
    from torchvision import models

    if name not in models.list_models():
        raise UnknownName(f"torchvision has no model {name!r}; {did_you_mean(name, models.list_models())}")
    published: Any = models.get_model_weights(name)
    weights = published.DEFAULT if pretrained else None
    extra: dict[str, Any] = {} if num_classes is None or weights else {"num_classes": num_classes}
    if name in ("googlenet", "inception_v3") and weights is None:
        extra["init_weights"] = True
    if "weights_backbone" in signature(models.get_model_builder(name)).parameters and weights is None:
        extra["weights_backbone"] = None  # or segmentation networks fetch those of their backbone
    model = _fetched(lambda: models.get_model(name, weights=weights, **extra), f"torchvision:{name}")
    if weights is not None and num_classes is not None:
        _new_head(model, num_classes)
    best = weights or published.DEFAULT
    preset = best.transforms()
    size = getattr(preset, "crop_size", [224])[0]
    card = Card(
        network=f"torchvision:{name}",
        size=(size, size),
        mean=tuple(getattr(preset, "mean", IMAGENET_MEAN)),
        std=tuple(getattr(preset, "std", IMAGENET_STD)),
        crop=size / getattr(preset, "resize_size", [size])[0],
        interpolation=getattr(getattr(preset, "interpolation", None), "value", "bilinear"),
        classes=tuple(best.meta.get("categories", ())) if num_classes is None else (),
    )
    return model, card


def _new_head(model: nn.Module, num_classes: int) -> None:
    """The last linear layer, or 1×1 convolution of SqueezeNet, exchanged for one of another width."""
    for path, module in reversed(list(model.named_modules())):
        if isinstance(module, nn.Linear):
            new: nn.Module = nn.Linear(module.in_features, num_classes, "bias" in dict(module.named_parameters()))
        elif isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1):
            new = nn.Conv2d(module.in_channels, num_classes, 1)
        else:
            continue
        parent, _, child = path.rpartition(".")
        setattr(model.get_submodule(parent), child, new)
        return


def _hf(name: str, num_classes: int | None, pretrained: bool) -> tuple[nn.Module, Card]:
    transformers = need("transformers", "text", f"hf:{name}")
    head = {} if num_classes is None else {"num_labels": num_classes, "ignore_mismatched_sizes": True}

    def fetch() -> tuple[nn.Module, Any]:
        config = transformers.AutoConfig.from_pretrained(name, **({"num_labels": num_classes} if num_classes else {}))
        classifies = any("ForImageClassification" in a for a in config.architectures or ())
        auto = transformers.AutoModelForImageClassification if classifies or num_classes else transformers.AutoModel
        return (auto.from_pretrained(name, **head) if pretrained else auto.from_config(config)), config

    model, config = _fetched(fetch, f"hf:{name}")
    labels = getattr(config, "id2label", None) or {}
    mean, std, size, crop = IMAGENET_MEAN, IMAGENET_STD, getattr(config, "image_size", 224) or 224, None
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name)
        mean, std = tuple(processor.image_mean), tuple(processor.image_std)
        edge = dict(processor.size)
        size = edge.get("height") or edge.get("shortest_edge") or size
        if getattr(processor, "do_center_crop", False) and "shortest_edge" in edge:
            size = dict(processor.crop_size)["height"]
            crop = size / edge["shortest_edge"]
    except (OSError, ValueError, AttributeError, TypeError):
        pass  # a folder without a preprocessor: ImageNet's numbers
    size = size if isinstance(size, int) else size[0]
    classes = tuple(str(labels[i]) for i in sorted(labels)) if labels else ()
    return model, Card(f"hf:{name}", (size, size), mean, std, crop, "bicubic", classes)


def _pellucid(name: str, num_classes: int | None, pretrained: bool) -> tuple[nn.Module, Card]:
    member = Network.make(name)
    if num_classes is not None:
        if not hasattr(member, "classes"):
            raise BadModel(f"{member} has no classes to name, and {num_classes} are asked for; choose a classifier.")
        member = member.but(classes=num_classes)
    size, channels = (member.size, member.size), getattr(member, "channels", 3)
    return member.build(), Card(f"pellucid:{member}", size, member.mean[:channels], member.std[:channels], member.crop)


SOURCES: dict[str, Callable[[str, int | None, bool], tuple[nn.Module, Card]]] = {
    "timm": _timm,
    "torchvision": _torchvision,
    "hf": _hf,
    "pellucid": _pellucid,
}


def _fetched(make: Callable[[], Any], what: str) -> Any:
    """The hubs fail in many ways when they cannot be reached; here they fail in one."""
    try:
        return make()
    except Exception as cause:
        offline = isinstance(cause, OSError) or "http" in type(cause).__module__ or "hub" in type(cause).__module__
        if not offline and "pretrained" not in str(cause):
            raise
        reason = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
        raise OSError(f"{reason}") from None


def _from_file(path: Path, network: str | None, num_classes: int | None) -> nn.Module:
    state, card = _state(path)
    if network is None and card is None:
        raise BadInput(
            f"{path.name} is a bare state dict; say what it belongs to with network=, such as timm:resnet18."
        )
    name = network if network is not None else card.network if card else ""
    outputs = num_classes if num_classes is not None or card is None else card.outputs
    model = _from_source(name, outputs, None)
    _fill(model, state, path)
    return _carded(model, card) if card is not None and network is None else model


def _state(path: Path) -> tuple[dict[str, Tensor], Card | None]:
    """The state dict of a checkpoint, and its card where it has one."""
    if not path.is_file():
        raise BadFile(f"{path} is not there; give the path of a checkpoint.")
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, "pt") as file:
                about = (file.metadata() or {}).get("pellucid")
                state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                return state, _read_card(json.loads(about)) if about else None
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as cause:
        reason = str(cause).strip().splitlines()[0][:160] if str(cause).strip() else type(cause).__name__
        raise BadFile(
            f"{path} cannot be read as a checkpoint ({reason}); give a state dict or .safetensors file."
        ) from None
    for key in ("state_dict", "model", "model_state_dict", "net"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    state = {k: v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, Mapping) else {}
    if not state:
        raise BadFile(f"{path} holds no tensors by name; give a state dict.")
    return state, None


def _read_card(about: Mapping[str, Any]) -> Card:
    known: dict[str, Any] = {f.name: about[f.name] for f in fields(Card) if f.name in about}
    lists: dict[str, Any] = {k: tuple(v) for k, v in known.items() if isinstance(v, list)}
    return Card(**(known | lists))


def _fill(model: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    wanted = model.state_dict()
    for prefix in PREFIXES:
        if not set(state) & set(wanted) or all(key.startswith(prefix) for key in state):
            stripped = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
            state = stripped if set(stripped) & set(wanted) else state
    missing = [key for key in wanted if key not in state]
    wrong = [key for key in wanted if key in state and state[key].shape != wanted[key].shape]
    if missing or wrong:
        what = (
            f"lacks {listed(missing, 3)}"
            if missing
            else f"has {wrong[0]} of shape {tuple(state[wrong[0]].shape)}, not {tuple(wanted[wrong[0]].shape)}"
        )
        raise BadFile(f"{path} does not fit {type(model).__name__}: it {what}; check network= and num_classes=.")
    model.load_state_dict({key: state[key] for key in wanted})
