"""Worlds: the data, the network and the training in which a study asks its question."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pellucid.studies._cells import Measure, Reading, Train

ARMS: Mapping[str, Mapping[str, Any]] = {  # knobs of lico, by the names of the papers' rows
    "lico": {}, "lico-mm": {"beta": 0}, "lico-ot": {"alpha": 0},
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """Data, network, recipe. maps: what maps are measured on, fewer than `test`; text: LICO's encoder."""

    train: str
    test: str
    maps: str
    network: str
    recipe: str
    text: str = "minilm"
    seeds: int = 5
    protocol: str = "sound"  # lico's
    objectives: Mapping[str, str] = field(default_factory=dict)  # arms whose text form is another here
    recipes: Mapping[str, str] = field(default_factory=dict)  # arms that are trained otherwise
    forms: Mapping[str, str] = field(default_factory=dict)  # explainers and metrics whose text form is another here

    def but(self, **changes: Any) -> "World":
        """The same with other fields."""
        return replace(self, **changes)

    def objective(self, arm: str, **knobs: Any) -> str:
        """An arm's text form with knobs: ce, cgc, gcc, or lico."""
        if arm in ARMS:
            protocol = {} if self.protocol == "sound" else {"protocol": self.protocol}
            return said("lico", **{"text": self.text} | dict(ARMS[arm]) | knobs | protocol)
        return varied(self.objectives.get(arm, arm), knobs)

    def trained(self, arm: str, seed: int, **knobs: Any) -> Train:
        """A network trained towards an arm."""
        return Train(self.network, self.train, self.objective(arm, **knobs), self.recipes.get(arm, self.recipe), seed)

    def measured(
        self, model: Train | str, seed: int, arm: str, explainers: tuple[str, ...] = (), metrics: tuple[str, ...] = (),
        *, of_model: tuple[str, ...] = (), ask: str | None = None, setting: str = "", accuracy: bool = True,
    ) -> Iterator[Reading]:  # fmt: skip
        """Its accuracy on the test set, and the metrics of maps, under their plain names."""
        names = {form: name for name, form in self.forms.items()}
        explainers, metrics = (tuple(self.forms.get(one, one) for one in given) for given in (explainers, metrics))
        if accuracy:
            yield Reading(Measure(model, self.test, (), of_model), seed, arm, setting)
        if explainers:
            yield Reading(Measure(model, self.maps, explainers, metrics, ask), seed, arm, setting, names)


def varied(form: str, knobs: Mapping[str, Any]) -> str:
    """A text form with other knobs.

    >>> varied("cgc:weight=0.1", {"coin": True}), varied("ce", {})
    ('cgc:weight=0.1,coin=true', 'ce')
    """
    own = said("", **knobs).removeprefix(":")
    return ",".join(filter(None, (form, own))) if ":" in form else ":".join(filter(None, (form, own)))


def said(name: str, **knobs: Any) -> str:
    """A text form, without the knobs that are none.

    >>> said("grad-cam", layer="features.40", relu=False, rows=None)
    'grad-cam:layer=features.40,relu=false'
    """
    written = {knob: str(one).lower() if isinstance(one, bool) else one for knob, one in knobs.items()}
    own = ",".join(f"{knob}={one}" for knob, one in written.items() if one is not None)
    return f"{name}:{own}" if own else name


SCENES = "scenes:classes=6,size=32,correlation=0.8"
TINY = World(
    train=f"{SCENES},length=480",
    test="scenes:classes=6,size=32,length=400,seed=1",
    maps="scenes:classes=6,size=32,length=64,seed=1",
    network="pellucid:tiny-cnn:width=16,depth=4,pool=max",
    recipe="plain:optimiser=adamw,lr=0.005,decay=0.05,batch=48,schedule=one-cycle,epochs=16",
    objectives={"cgc": "cgc:weight=0.1"},
    forms={"rise": "rise:masks=300"},
)
SMALL = World(
    train="scenes:classes=10,size=48,correlation=0.8,length=4000",
    test="scenes:classes=10,size=48,length=2000,seed=1",
    maps="scenes:classes=10,size=48,length=200,seed=1",
    network="pellucid:tiny-cnn:width=32,depth=4,pool=max",
    recipe="plain:optimiser=adamw,lr=0.005,decay=0.05,batch=64,schedule=one-cycle,epochs=15",
    objectives={"cgc": "cgc:weight=0.1"},
    forms={"rise": "rise:masks=1000"},
)
IMAGENET = World(
    train="imagenet:split=train",
    test="imagenet:split=val",
    maps="subset:balanced=5000@imagenet:split=val",
    network="torchvision:resnet50",
    recipe="lico-imagenet",
    text="clip",
    seeds=3,
    protocol="paper",
    objectives={"cgc": "cgc:protocol=paper", "gcc": "gcc:protocol=paper"},
    recipes={"cgc": "cgc-imagenet", "gcc": "gcc-imagenet"},
    forms={name: f"{name}:protocol=paper" for name in ("insertion", "deletion", "overall")},
)
