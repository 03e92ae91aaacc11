"""Which encoders the studies of label-free explanations ask, of what data, at the three scales.

At tiny the digits are those of scikit-learn, enlarged to 28 pixels; heartbeats are made from formulas, CIFAR-10 is
little scenes, dSprites some sprites of 32 pixels, and trainings take a few epochs: maps and examples are those of
encoders that have learned less. At small they are MNIST, ECG5000, CIFAR-10 and sprites, more briefly trained.
"""

from dataclasses import dataclass

from pellucid.studies._cells import Kept, Train
from pellucid.studies._label_free import BETAS, LOSSES, Examples, ExamplesAlike, Maps, MapsAlike, UnitsAlike, word
from pellucid.studies._worlds import World

EXPLAINERS = ("integrated-gradients", "gradient-shap:samples=5", "gradient", "random-map")
TASKS = {
    "reconstruction": "denoising:corruption=none", "denoising": "denoising",
    "inpainting": "denoising:corruption=inpainting", "classification": "ce",
}  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """Where maps and examples of one encoder are checked. empty: what stands for replaced pixels."""

    word: str
    network: str
    train: str
    objective: str
    recipe: str
    maps: str  # what is explained
    corpus: str  # the training examples that are scored, of which `learned` knows, or the like of them
    asked: str
    empty: str = "black"
    influences: tuple[str, ...] = ("dknn", "simplex")
    examples: str = ""  # another training set for the check of examples

    def learned(self, seed: int, examples: bool = False) -> Train:
        """Its encoder; without a loss of one example nobody needs the weights of all epochs."""
        train = self.examples if examples and self.examples else self.train
        kept = Kept if len(self.influences) > 2 else Train
        return kept(self.network, train, self.objective, self.recipe, seed)

    def shifts(self, seed: int) -> list[Maps]:
        """How far the representation moves, by each explainer."""
        learned = self.learned(seed)
        return [Maps(learned, self.maps, one, self.empty, self.word) for one in EXPLAINERS]

    def rates(self, seed: int) -> list[Examples]:
        """What the examples show, by each influence."""
        learned = self.learned(seed, examples=True)
        return [Examples(learned, self.corpus, self.asked, one, self.word) for one in self.influences]


def tasks(scale: str) -> tuple[str, ...]:
    """Of the pretext tasks; capsules are for the larger scales."""
    return (*TASKS, "scae") if scale != "tiny" else tuple(TASKS)


def task(world: World, name: str, seed: int) -> Train:
    """An encoder that has learned by a pretext task."""
    if name == "scae":
        return Train("pellucid:scae", world.train, "scae", "scae-mnist", seed)
    network = "pellucid:conv-classifier" if name == "classification" else world.network
    return Kept(network, world.train, TASKS[name], world.recipe, seed)


def _digits(world: World, influences: tuple[str, ...], corpus: str) -> Bench:
    return Bench(
        word(world.train), world.network, world.train, "denoising", world.recipe,
        world.maps, corpus, world.maps, influences=influences,
    )  # fmt: skip


ADAM = "optimiser=adam,lr=0.003,decay=0.00001,schedule=constant"
REST, HELD = "subset:hold=0.25,part=rest@digits", "subset:hold=0.25,part=held@digits"
DIGITS = {
    "tiny": World(
        train=REST, test=HELD, maps=f"subset:balanced=100@{HELD}", network="pellucid:conv-autoencoder",
        recipe=f'plain:batch=48,transform="plain:size=28",{ADAM},epochs=8',
    ),
    "small": World(
        train="mnist", test="mnist:split=test", maps="subset:balanced=1000@mnist:split=test",
        network="pellucid:conv-autoencoder", recipe="relf-mnist:epochs=15",
    ),
    "paper": World(
        train="mnist", test="mnist:split=test", maps="subset:shots=100,pick=first@mnist:split=test",
        network="pellucid:conv-autoencoder", recipe="relf-mnist",
    ),
}  # fmt: skip
OWN_DIGITS = {scale: DIGITS[scale] for scale in ("tiny", "small")}  # of studies that no paper has
RATE = "similarity-rate:share=0.1"
CORPUS = {"tiny": f"subset:balanced=200@{REST}"} | dict.fromkeys(
    ("small", "paper"), "subset:shots=100,pick=first@mnist"
)
ALL_FOUR = ("influence-function", "tracin:every=3", "simplex", "dknn")
PUBLISHED = ("influence-function:protocol=published", "tracin:every=10", "simplex:protocol=published", "dknn")
INFLUENCES = {"tiny": ALL_FOUR, "small": ("influence-function", "tracin:every=5", "simplex", "dknn"),
              "paper": PUBLISHED}  # fmt: skip
WHOLE = "ecg5000:split=all,binary=true"
NORMAL, ABNORMAL = "subset:kinds=[0]@", "subset:kinds=[1]@"
LEARNED_BEATS, OTHER_BEATS = "subset:hold=0.2,part=rest@", "subset:hold=0.2,part=held@"
BEATS = {
    "tiny": Bench(
        "heartbeats", "pellucid:lstm-autoencoder:latent=8,length=32", f"{NORMAL}heartbeats:length=320",
        "denoising:corruption=none,loss=l1", f"plain:batch=20,transform=plain,{ADAM},epochs=12",
        f"{ABNORMAL}heartbeats:length=128,seed=1", "heartbeats:length=120", "heartbeats:length=60,seed=1", "normal",
        ALL_FOUR, examples="heartbeats:length=240",
    )
} | {
    scale: Bench(
        "ecg5000", "pellucid:lstm-autoencoder", f"{NORMAL}{WHOLE}", "denoising:corruption=none,loss=l1", recipe,
        f"{ABNORMAL}{WHOLE}", f"subset:balanced=1000@{LEARNED_BEATS}{WHOLE}",
        f"{OTHER_BEATS}{WHOLE}", "normal", INFLUENCES[scale], examples=f"{LEARNED_BEATS}{WHOLE}",
    )
    for scale, recipe in (("small", "relf-ecg:epochs=30"), ("paper", "relf-ecg"))
}  # fmt: skip
LITTLE = "scenes:classes=6,size=16"
PICTURES = {
    "tiny": Bench(
        "scenes", "pellucid:simclr:hidden=128,out=32", f"{LITTLE},length=192", "infonce",
        "plain:batch=48,transform=simclr:size=16,optimiser=adam,lr=0.001,decay=0.000001,schedule=cosine,epochs=4",
        f"{LITTLE},length=48,seed=1", f"{LITTLE},length=120,seed=2", f"{LITTLE},length=48,seed=1", "blur",
        ("dknn", "simplex:protocol=published"),
    )
} | {
    scale: Bench(
        "cifar10", "pellucid:simclr", data, "infonce", recipe, maps,
        "subset:balanced=1000,seed=1@cifar10", "subset:balanced=1000@cifar10:split=test", "blur",
        ("dknn", "simplex:protocol=published"),
    )
    for scale, data, recipe, maps in (
        ("small", "subset:balanced=5000@cifar10", "relf-simclr:epochs=20", "subset:balanced=500@cifar10:split=test"),
        ("paper", "cifar10", "relf-simclr", "cifar10:split=test"),
    )
}  # fmt: skip


def benches(scale: str) -> tuple[Bench, Bench, Bench]:
    """Of digits, of heartbeats, of pictures: a, b and c of the paper's figures."""
    return _digits(DIGITS[scale], INFLUENCES[scale], CORPUS[scale]), BEATS[scale], PICTURES[scale]


VAE = 'plain:batch=24,transform="plain:size=32",optimiser=adam,lr=0.001,decay=0.00001,schedule=constant'
VAES = {  # network, training set, recipe, what is explained
    "tiny": (  # fewer steps leave every unit dead, and then there is nothing to be alike
        ("pellucid:conv-vae", REST, f"{VAE},epochs=12", f"subset:balanced=100@{HELD}"),
        ("pellucid:conv-vae:latent=6", "subset:every=601@sprites", f"{VAE},epochs=14", "subset:every=7351@sprites"),
    ),
    "small": (
        ("pellucid:conv-vae", "mnist", "relf-mnist:epochs=10,transform=plain:size=32",
         "subset:balanced=1000@mnist:split=test"),
        ("pellucid:conv-vae:latent=6,size=64", "subset:every=37@sprites", "relf-mnist:epochs=10,batch=100",
         "subset:every=737@sprites"),
    ),
    "paper": (
        ("pellucid:conv-vae", "mnist", "relf-mnist:transform=plain:size=32", "mnist:split=test"),
        ("pellucid:conv-vae:latent=6,size=64", "subset:hold=0.1,part=rest@dsprites", "relf-mnist:batch=500",
         "subset:hold=0.1,part=held@dsprites"),
    ),
}  # fmt: skip


def vae(scale: str, which: int, loss: str, beta: int, seed: int) -> tuple[Train, str]:
    """A VAE of the grid, of digits (0) or of sprites (1), and what is explained."""
    network, data, recipe, maps = VAES[scale][which]
    return Train(network, data, f"{loss}:beta={beta}", recipe, seed), maps


def grid(scale: str, seed: int) -> tuple[UnitsAlike, ...]:
    """All VAEs of a seed."""
    return tuple(
        UnitsAlike(*vae(scale, which, loss, beta, seed), loss, beta)
        for which in (0, 1) for loss in LOSSES for beta in BETAS
    )  # fmt: skip


def maps_alike(world: World, scale: str, seed: int, explainer: str) -> MapsAlike:
    """Of all tasks of a scale."""
    names = tasks(scale)
    return MapsAlike(tuple(task(world, name, seed) for name in names), names, world.maps, explainer)


def examples_alike(world: World, scale: str, seed: int) -> ExamplesAlike:
    """Of all tasks of a scale."""
    names = tasks(scale)
    return ExamplesAlike(tuple(task(world, name, seed) for name in names), names, CORPUS[scale], world.maps)
