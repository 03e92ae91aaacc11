"""Networks that learn without labels: what they are, what they are trained towards, and how that goes."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.data import Dataset
from pellucid.data._base import Record
from pellucid.data._batches import Batches, View, batches
from pellucid.data.transforms import Transform
from pellucid.metrics import Metric
from pellucid.networks import load_model
from pellucid.networks._base import Learner
from pellucid.networks._load import card_of
from pellucid.objectives import Objective
from pellucid.objectives._step import chance
from pellucid.objectives.denoising import corrupted
from pellucid.training import _loop
from pellucid.training.recipes import Recipe
from tests.real.layouts import heartbeats

DIGITS = "subset:first=48@digits"
QUICK = 'plain:batch=16,transform="plain:size=28",optimiser=adam,lr=0.003,schedule=constant'
AUTO = "pellucid:conv-autoencoder"
LEARNERS = {  # and one input of each
    "conv-autoencoder": (2, 1, 28, 28),
    "lstm-autoencoder:latent=5,length=7": (2, 7, 1),
    "conv-vae": (2, 1, 32, 32),
    "simclr:hidden=8,out=4": (2, 3, 32, 32),
}


def fit(model=AUTO, data=DIGITS, objective="denoising", recipe=QUICK, **options):
    return pl.fit(model, data, objective, recipe, **{"epochs": 1, "device": "cpu"} | options)


def count(module):
    return sum(p.numel() for p in module.parameters())


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


# --- networks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, encoder, decoder",
    [
        ("conv-autoencoder", 43_428, 43_697),
        ("lstm-autoencoder", 116_736, 132_737),
        ("lstm-autoencoder:latent=16", 7_680, None),
        ("conv-vae", 232_038, 231_745),
        ("conv-vae:latent=6,size=64", 249_996, 248_929),
    ],
)
def test_parameters_are_those_of_the_papers(name, encoder, decoder):
    net = load_model(f"pellucid:{name}")
    assert count(net.encoder) == encoder
    assert decoder is None or count(net.decoder) == decoder
    assert count(net) == count(net.encoder) + count(net.decoder)


def test_the_classifier_has_the_same_encoder():
    auto, classifier = load_model(AUTO), load_model("pellucid:conv-classifier")
    assert str(auto.encoder) == str(classifier.encoder)
    assert count(classifier) == 43_428 + 4 * 10 + 10


@pytest.mark.parametrize("name", LEARNERS)
def test_called_it_represents(name):
    """In training and in evaluation, and by the method's name the same."""
    x, net = torch.rand(LEARNERS[name]), load_model(f"pellucid:{name}")
    z = net(x)
    assert z.ndim == 2
    assert torch.equal(z, net.represent(x))
    if "simclr" in name:
        assert z.shape == (2, 512)
        assert net(x, "project").shape == (2, 4)
        torch.testing.assert_close(net.projector(z), net.project(x))
        return
    again = net.reconstruct(x)
    assert again.shape == x.shape
    assert torch.equal(net(x, "reconstruct"), again)
    net.train()
    if "conv-vae" in name:
        assert torch.equal(net(x), net(x))


@pytest.mark.parametrize("name", LEARNERS)
def test_what_is_explained_is_the_representation(name):
    """The gradient of ⟨f(x), f(x̃)⟩ at x is that of half of ‖f(x)‖²."""
    x, net = torch.rand(LEARNERS[name]), load_model(f"pellucid:{name}")
    options = {"channels": 2} if "lstm" in name else {}
    e = pl.explain(net, x, "gradient", ask="similarity", **options)
    free = x.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(0.5 * net(free).square().sum(), free)
    wanted = wanted.movedim(2, 1) if "lstm" in name else wanted
    torch.testing.assert_close(e.raw.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(e.value, net(x).square().sum(1), rtol=1e-4, atol=1e-6)


def test_with_the_statistics_of_the_batch_a_picture_depends_on_its_company():
    x = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    x[4:] *= 0.2
    found = {}
    for statistics in ("running", "batch"):
        torch.manual_seed(0)
        net = load_model(f"pellucid:simclr:statistics={statistics}")
        buffers = {key: value.clone() for key, value in net.named_buffers()}
        with torch.no_grad():
            alone, together = net(x[:4]), net(x)[:4]
        found[statistics] = float((alone - together).norm() / together.norm())
        assert all(torch.equal(value, buffers[key]) for key, value in net.named_buffers())
    assert found["running"] < 1e-5
    assert found["batch"] > 0.1


def test_checkpoints_fit_either_way_of_statistics(tmp_path):
    net = load_model("pellucid:simclr")
    torch.save(net.state_dict(), tmp_path / "net.pt")
    again = load_model(tmp_path / "net.pt", network="pellucid:simclr:statistics=batch")
    assert torch.equal(weights(net), weights(again))
    x = torch.rand(4, 3, 32, 32)
    net.train(), again.train()
    torch.testing.assert_close(net(x), again(x))


def test_two_softmaxes_have_a_floor():
    """However sure and right: log(e + 9) − 1; one softmax has none."""
    net = load_model("pellucid:conv-classifier:softmax=true")
    plain = load_model("pellucid:conv-classifier")
    plain.load_state_dict(net.state_dict())
    x, labels = torch.rand(4, 1, 28, 28), torch.tensor([3, 3, 3, 3])
    for one in (net, plain):
        with torch.no_grad():
            one.head.weight.zero_(), one.head.bias.zero_()
            one.head.bias[3] = 200.0
    loss = {one: float(nn.functional.cross_entropy(one(x), labels).detach()) for one in (net, plain)}
    assert loss[net] == pytest.approx(math.log(math.e + 9) - 1, abs=1e-6)
    assert loss[net] == pytest.approx(1.4612, abs=1e-4)
    assert loss[plain] == pytest.approx(0, abs=1e-6)
    made = Objective.make("ce").bind(net, images=x)
    assert float(made((x, labels))[0].detach()) >= 1.4611


# --- what is lost -----------------------------------------------------------------------------------------------------


def residual(objective, x):
    """What a step of this objective adds to the pictures."""
    seen = []
    net = load_model(AUTO)
    net.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    made = Objective.make(objective).bind(net, images=x[:1])
    seen.clear()
    made(x)
    made(x)
    return [one - x for one in seen]


def test_noise_has_the_codes_spread_and_is_not_clipped():
    x = torch.rand(60, 1, 28, 28)
    first, second = residual("denoising", x)
    assert float(first.std()) == pytest.approx(0.3, abs=0.01)
    assert float(first.mean()) == pytest.approx(0, abs=0.01)
    assert bool(((x + first) < 0).any())
    assert bool(((x + first) > 1).any())
    assert not torch.equal(first, second)
    text = residual(f"denoising:std={math.sqrt(1 / 3):.4f}", x)[0]
    assert float(text.var() / first.var()) == pytest.approx(1 / 0.27, rel=0.05)  # what the text says, 3.7 times as much


def test_inpainting_takes_a_fifth_and_other_pixels_every_time():
    x = torch.rand(60, 1, 28, 28) + 0.1
    first, second = residual("denoising:corruption=inpainting", x)
    gone = (first + x) == 0
    assert float(gone.float().mean()) == pytest.approx(0.2, abs=0.01)
    torch.testing.assert_close(first[~gone] + x[~gone], x[~gone])
    assert not torch.equal(first, second)


def test_nothing_is_lost_where_nothing_is_to_be():
    x = torch.rand(4, 1, 28, 28)
    assert all(not one.any() for one in residual("denoising:corruption=none", x))
    net = load_model(AUTO)
    assert torch.equal(net.reconstruct(x), net.reconstruct(x))
    assert torch.equal(corrupted(x, "none", x, 9.0, 0.9), x)


def test_what_is_held_out_is_spoiled_the_same_every_time():
    x = torch.rand(4, 1, 28, 28)
    net = load_model(AUTO)
    made = Objective.make("denoising").bind(net, images=x[:1]).eval()
    with torch.no_grad():
        assert float(made(x)[0]) == float(made(x)[0])
        noise = torch.randn(x.shape, generator=chance(0, -1, "corruption"))
        wanted = (net.reconstruct(x + 0.3 * noise) - x).square().mean()
        assert float(made(x)[0]) == pytest.approx(float(wanted), rel=1e-5)


# --- batches ----------------------------------------------------------------------------------------------------------


def test_labels_may_be_absent():
    x, net = torch.rand(4, 1, 28, 28), load_model(AUTO)
    losses = []
    for batch in (x, (x,), (x, torch.full((4,), -1)), {"images": x}, [x, torch.rand(4, 7)]):
        made = Objective.make("denoising").bind(net, images=x[:1])
        losses.append(float(made(batch)[0].detach()))
    assert len(set(losses)) == 1
    with pytest.raises(pl.PellucidError, match="give \\(images, labels\\)"):
        Objective.make("ce").bind(load_model("pellucid:conv-classifier"), images=x[:1])(x)


class Bare(Dataset, name="bare"):
    """Has nobody said what these are?"""

    preset = "plain"

    def __len__(self):
        return 24

    def record(self, i):
        g = torch.Generator().manual_seed(i)
        return Record(torch.randint(0, 256, (1, 28, 28), generator=g, dtype=torch.uint8), -1)


def test_pictures_without_names_or_labels_are_learned():
    done = fit(data=Bare(), recipe="plain:batch=8,lr=0.01,held_out=0.25")
    assert {"loss", "mse", "held_out_loss", "held_out_mse"} <= set(done.rows[-1])
    assert not {"accuracy", "held_out", "held_out_ce"} & set(done.rows[-1])


def views(**options):
    data = Dataset.make("subset:first=6@scenes:size=32")
    return batches(data, transform="simclr", train=True, batch_size=4, views=2, seed=3, **options)


def test_two_views_of_one_picture():
    """Each by its own chance; the first is what one view would be."""
    loader = views(shuffle=False)
    found = next(iter(loader))
    assert found.images.shape == (4, 2, 3, 32, 32)
    assert not torch.equal(found.images[:, 0], found.images[:, 1])
    single = Batches(View(loader.view.data, loader.view.transform, True, 3, False), 4, shuffle=False)
    assert torch.equal(next(iter(single)).images, found.images[:, 0])
    assert torch.equal(next(iter(views(shuffle=False))).images, found.images)
    assert not torch.equal(next(loader.epoch(1)).images, found.images)


def test_workers_draw_the_same_views():
    for mine, theirs in zip(views(), views(workers=1), strict=True):
        assert torch.equal(mine.images, theirs.images)


def test_unshuffled_epochs_have_the_same_batches():
    still, stirred = views(shuffle=False), views()
    assert still.order(0) == still.order(5) == list(range(6))
    assert sorted(stirred.order(1)) == list(range(6))
    assert len({tuple(stirred.order(k)) for k in range(6)}) > 1


def test_what_does_not_fill_a_batch_is_left_out():
    kept = fit(recipe=QUICK.replace("batch=16", "batch=20"), epochs=2)
    left = fit(recipe=QUICK.replace("batch=16", "batch=20") + ",drop_last=true", epochs=2)
    assert [row["step"] for row in kept.rows] == [3, 6]
    assert [row["step"] for row in left.rows] == [2, 4]


# --- trained ----------------------------------------------------------------------------------------------------------

TRAINED = {
    "denoising": (AUTO, "plain:size=28", {"mse"}),
    "denoising:corruption=none,loss=l1": (AUTO, "plain:size=28", {"l1"}),
    "denoising:corruption=inpainting": (AUTO, "plain:size=28", {"mse"}),
    "beta-vae:beta=2": ("pellucid:conv-vae", "plain:size=32", {"reconstruction", "kl"}),
    "tc-vae:beta=2": ("pellucid:conv-vae", "plain:size=32", {"reconstruction", "mi", "tc", "dwkl"}),
}


@pytest.mark.parametrize("objective", TRAINED)
def test_every_objective_learns(objective, tmp_path):
    """The held-out loss falls; the folder opens again as the same network; nothing is said of accuracy."""
    model, transform, terms = TRAINED[objective]
    recipe = QUICK.replace("plain:size=28", transform) + ",held_out=0.25"
    done = fit(model, objective=objective, recipe=recipe, epochs=6, validation=DIGITS, out=tmp_path)
    first, last = done.rows[0], done.rows[-1]
    assert last["held_out_loss"] < first["held_out_loss"]
    assert {f"held_out_{term}" for term in terms} | {f"validation_{term}" for term in terms} | terms <= set(last)
    total = sum(weight * last[f"held_out_{term}"] for term, weight in Objective.make(objective).weights.items())
    assert last["held_out_loss"] == pytest.approx(total, rel=1e-4)
    assert "accuracy" not in last
    assert "held_out_loss" in repr(done)
    again = load_model(tmp_path)
    side = 28 if model == AUTO else 32
    x = torch.rand(2, 1, side, side)
    assert torch.equal(again(x), done.model(x))
    assert torch.equal(again.reconstruct(x), done.model.reconstruct(x))
    card = card_of(again)
    assert (card.size, card.mean, card.std, card.classes) == ((side, side), (0.0,), (1.0,), ())


def test_two_views_are_trained(tmp_path):
    done = fit(
        "pellucid:simclr:hidden=16,out=8", "subset:first=24@scenes:size=32", "infonce",
        "plain:batch=8,transform=simclr,lr=0.01,held_out=0.34", epochs=2, out=tmp_path,
    )  # fmt: skip
    assert {"infonce", "found", "held_out_loss"} <= set(done.rows[-1])
    assert 0 < done.rows[-1]["held_out_loss"] < 2 * math.log(15)
    assert load_model(tmp_path)(torch.rand(1, 3, 32, 32)).shape == (1, 512)


def test_the_lowest_held_out_loss_is_kept():
    """A rate that makes it worse: the training ends, with the weights of the best epoch."""
    recipe = QUICK.replace("lr=0.003", "lr=0.05") + ",held_out=0.25,patience=2"
    done = fit(recipe=recipe, epochs=40, objective="denoising:corruption=none", seed=2)
    losses = [row["held_out_loss"] for row in done.rows]
    best = losses.index(min(losses))
    assert len(losses) < 40, "the training never got worse, so this tests nothing"
    assert len(losses) == best + 3
    assert "held-out loss has not fallen for 2 epochs" in done.stopped
    assert f"those of epoch {best + 1}" in done.stopped
    shorter = fit(recipe=recipe, epochs=best + 1, objective="denoising:corruption=none", seed=2)
    torch.testing.assert_close(weights(shorter.model), weights(done.model))


def test_a_run_that_was_stopped_ends_the_same(tmp_path):
    recipe = QUICK + ",held_out=0.25,patience=9"

    class Enough(Exception):
        pass

    whole = fit("pellucid:conv-vae", objective="tc-vae", recipe=recipe.replace("size=28", "size=32"), epochs=3)
    kept = _loop.Loop._choose

    def stopping(loop, row):
        kept(loop, row)
        if row["epoch"] == 2 and not loop.resumed_once:
            loop.resumed_once = True
            raise Enough

    _loop.Loop.resumed_once = False
    options = {"recipe": recipe.replace("size=28", "size=32"), "epochs": 3, "out": tmp_path, "save_every": 0.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_loop.Loop, "_choose", stopping)
        with pytest.raises(Enough):
            fit("pellucid:conv-vae", objective="tc-vae", **options)
    del _loop.Loop.resumed_once
    resumed = fit("pellucid:conv-vae", objective="tc-vae", **options)
    assert torch.equal(weights(whole.model), weights(resumed.model))
    assert [r["held_out_loss"] for r in whole.rows] == [r["held_out_loss"] for r in resumed.rows]


def test_asked_again_a_run_adds_no_rows(tmp_path):
    first = fit(out=tmp_path, epochs=2)
    log = (tmp_path / "log.csv").read_text()
    second = fit(out=tmp_path, epochs=2)
    assert len(second.rows) == len(first.rows) == 2
    assert (tmp_path / "log.csv").read_text() == log
    assert torch.equal(weights(first.model), weights(second.model))


def test_an_own_module_with_a_method_is_trained():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.Linear(784, 3), nn.Linear(3, 784)

        def forward(self, x):
            return self.encoder(x.flatten(1))

        def reconstruct(self, x):
            return self.decoder(self(x)).view_as(x)

    torch.manual_seed(0)
    done = fit(Own(), epochs=4)
    assert done.rows[-1]["loss"] < done.rows[0]["loss"]


def test_seeds_are_several_runs():
    first, second = fit(seeds=[0, 1], together="turns")
    assert not torch.equal(weights(first.model), weights(second.model))


def test_accumulated_and_mixed_precision_go_through_the_forward():
    done = fit(
        "pellucid:conv-vae", objective="beta-vae", recipe=QUICK.replace("size=28", "size=32") + ",precision=bf16"
    )
    assert math.isfinite(done.rows[-1]["loss"])
    seen = []
    net = load_model("pellucid:conv-vae")
    net.encoder.register_forward_hook(lambda _, __, given: seen.append(given.dtype))
    fit(net, objective="beta-vae", recipe=QUICK.replace("size=28", "size=32") + ",precision=bf16,accumulate=2")
    assert torch.bfloat16 in seen


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["beta-vae:beta=2", "tc-vae:beta=2", "tc-vae:beta=2,estimator=stratified"])
def test_two_processes_learn_what_one_does(objective, tmp_path):
    recipe = QUICK.replace("size=28", "size=32")
    one = fit("pellucid:conv-vae", objective=objective, recipe=recipe)
    two = fit("pellucid:conv-vae", objective=objective, recipe=recipe, processes=2, out=tmp_path)
    torch.testing.assert_close(weights(one.model), weights(two.model), rtol=1e-3, atol=1e-5)
    assert two.rows[-1]["loss"] == pytest.approx(one.rows[-1]["loss"], rel=1e-4)


# --- what cannot be learned -------------------------------------------------------------------------------------------


def refused(*what, **options):
    with pytest.raises(pl.PellucidError) as found:
        fit(*what, **options)
    return str(found.value)


def test_a_vae_of_pixels_that_are_no_chances_is_refused():
    """Of scenes as they come, normalised: the loss would fall for ever."""
    told = refused("pellucid:conv-vae:channels=3", "subset:first=8@scenes:size=32", "beta-vae", "plain:batch=4")
    assert "transform=plain" in told


@pytest.mark.parametrize("objective", ["beta-vae", "tc-vae"])
def test_a_vae_takes_what_a_resize_rounds(objective):
    bound = Objective.make(objective).bind(load_model("pellucid:conv-vae"), images=torch.zeros(1, 1, 32, 32))
    x = torch.tensor([-1e-4, 1 + 1e-4]).repeat(512).view(1, 1, 32, 32)
    assert math.isfinite(bound(x)[0].detach())


def test_views_that_are_not_drawn_are_refused():
    """Who is asked whether a picture is like itself learns nothing, and its loss falls."""
    told = refused("pellucid:simclr:hidden=4,out=2", "subset:first=8@scenes:size=32", "infonce", "plain:batch=4")
    assert "transform=simclr" in told


def test_a_picture_that_is_compared_with_none_is_refused():
    recipe = "plain:batch=4,accumulate=4,transform=simclr"
    told = refused("pellucid:simclr:hidden=4,out=2", "subset:first=8@scenes:size=32", "infonce", recipe)
    assert "at least 8" in told


def test_sums_are_of_objectives_that_see_the_same():
    with pytest.raises(pl.PellucidError, match="infonce looks at several views of a picture, and others at one"):
        Objective.make("infonce+ce")
    assert Objective.make("denoising+beta-vae").views == 1
    assert "has no classes" in refused(objective="denoising+ce")


def test_a_network_that_does_both_is_trained_to_both():
    """Labels and pictures: accuracy is chosen by, and the reconstruction is learned as well."""

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.head, self.decoder = nn.Linear(784, 8), nn.Linear(8, 10), nn.Linear(8, 784)

        def forward(self, x):
            return self.head(self.encoder(x.flatten(1)))

        def reconstruct(self, x):
            return self.decoder(self.encoder(x.flatten(1))).view_as(x)

    torch.manual_seed(0)
    done = fit(
        Both(),
        objective="ce+denoising:corruption=none",
        epochs=15,
        recipe=QUICK.replace("lr=0.003", "lr=0.03") + ",held_out=0.25",
    )
    assert {"accuracy", "held_out", "ce", "mse"} <= set(done.rows[-1])
    assert done.rows[-1]["mse"] < done.rows[0]["mse"]
    assert done.rows[-1]["ce"] < done.rows[0]["ce"]


def test_pictures_that_do_not_fit_are_named():
    told = refused("pellucid:conv-vae:channels=3", recipe=QUICK.replace("size=28", "size=32"), objective="beta-vae")
    assert "(2, 1, 32, 32)" in told
    assert "float32 (2, 1, 28, 28)" in refused(load_model(AUTO).double())


class Killed(Exception):
    pass


class Projects(Learner):
    """The least that InfoNCE can train; without BatchNorm, so that processes have the same."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.encoder, self.head = nn.Linear(3072, 8), nn.Linear(8, 4)

    def represent(self, x):
        return self.encoder(x.flatten(1)).tanh()

    def project(self, x):
        return self.head(self(x))


VIEWS = ("subset:first=12@scenes:size=32", "infonce", "plain:batch=4,lr=0.01,transform=simclr")


@pytest.mark.parametrize(
    "model, data, objective, recipe",
    [(lambda: AUTO, DIGITS, "denoising:corruption=inpainting", QUICK), (Projects, *VIEWS)],
)
def test_killed_amid_an_epoch_it_ends_the_same(model, data, objective, recipe, tmp_path):
    """To the bit, with views and noise."""
    whole = fit(model(), data, objective, recipe, epochs=2)
    kept = _loop.Loop._step

    def fatal(loop, batch):
        if loop.at.step == 4:  # the second batch of the second epoch
            raise Killed
        kept(loop, batch)

    options = {"epochs": 2, "out": tmp_path, "save_every": 0.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_loop.Loop, "_step", fatal)
        with pytest.raises(Killed):
            fit(model(), data, objective, recipe, **options)
    resumed = fit(model(), data, objective, recipe, **options)
    assert torch.equal(weights(whole.model), weights(resumed.model))
    assert [r["loss"] for r in whole.rows] == [r["loss"] for r in resumed.rows]


def test_every_process_judges_all_that_is_held_out():
    """Pictures are compared within a batch: of a part of it the loss would be another, and so the epoch."""
    from pellucid.training._run import _job, _sources

    job = _job(AUTO, DIGITS, "denoising", Recipe.make(QUICK + ",held_out=0.25"), 0, DIGITS)
    sources = _sources(job, 1, 2)
    assert [len(batch.images) for batch in sources.train.epoch(0)] == [8, 8, 2]
    assert [len(batch.images) for batch in sources.held_out.epoch(0)] == [12]
    assert sum(len(batch.images) for batch in sources.validation.epoch(0)) == 48
    job = _job("pellucid:conv-classifier", DIGITS, "ce", Recipe.make(QUICK + ",held_out=0.25"), 0, None)
    assert [len(batch.images) for batch in _sources(job, 1, 2).held_out.epoch(0)] == [6]


def test_the_folder_is_explained_and_its_examples_are_found(tmp_path):
    """Another day, by the folder alone."""
    done = fit(out=tmp_path, epochs=2, keep=True)
    x = torch.rand(2, 1, 28, 28)
    told = pl.explain(tmp_path, x, "gradient", ask="similarity")
    torch.testing.assert_close(told.value, done.model(x).square().sum(1), rtol=1e-4, atol=1e-6)
    found = pl.influence(tmp_path, DIGITS, x, "tracin", checkpoints=done.checkpoints)
    assert found.shape == (2, 48)
    assert bool(found.isfinite().all())


@pytest.mark.slow
def test_two_processes_compare_and_judge_as_one_does(tmp_path):
    options = {"recipe": VIEWS[2] + ",held_out=0.34"}
    one = fit(Projects(), *VIEWS[:2], **options)
    two = fit(Projects(), *VIEWS[:2], **options, processes=2, out=tmp_path)
    torch.testing.assert_close(weights(one.model), weights(two.model), rtol=1e-3, atol=1e-5)
    for name in ("loss", "held_out_loss"):
        assert two.rows[-1][name] == pytest.approx(one.rows[-1][name], rel=1e-4)


# --- recipes ----------------------------------------------------------------------------------------------------------


def rates(text, pictures=50_000):
    """The learning rate of the first step and of the last."""
    recipe = Recipe.make(text)
    steps = pictures // recipe.batch if recipe.drop_last else -(-pictures // recipe.batch)
    found = []
    for at in (0, recipe.epochs * steps - 1):
        loop = SimpleNamespace(
            recipe=recipe, sources=SimpleNamespace(train=[None] * steps), at=SimpleNamespace(step=at)
        )
        found.append(_loop.Loop.rate(loop))
    return steps, *found


def test_the_rates_of_simclr():
    """What the published code applies, and what it was meant to apply."""
    steps, first, last = rates("relf-simclr")
    assert steps == 97
    assert first == pytest.approx(0.36)
    assert last == pytest.approx(6e-4, rel=1e-3)
    _, first, last = rates("relf-simclr:lr=0.6")
    assert first == pytest.approx(0.6)
    assert last == pytest.approx(1e-3, rel=1e-3)


def test_the_recipe_of_digits_runs():
    recipe = Recipe.make("relf-mnist").but(transform="plain:size=28", batch=12)
    done = pl.fit(None, DIGITS, recipe=recipe, epochs=2, device="cpu")
    assert str(done.objective.objective) == "denoising"
    assert type(done.model).__name__ == "_ConvAutoencoder"
    assert done.rows[-1]["held_out_loss"] < 0.2
    same = recipe.but(shuffle=False)
    assert pl.fit(None, DIGITS, recipe=same, epochs=1, device="cpu").rows[0]["loss"] != done.rows[0]["loss"]


class Beats(Dataset, name="beats"):
    """Is it regular?"""

    kind, preset = "series", "plain"
    mean, std = (0.0,), (1.0,)
    class_names = ("normal", "abnormal")

    def __len__(self):
        return 40

    def record(self, i):
        t = torch.linspace(0, 6.28, 20)
        return Record(t.sin()[:, None] + i % 2, i % 2)


def test_the_recipe_of_heartbeats_runs():
    done = pl.fit(
        "pellucid:lstm-autoencoder:latent=4,length=20",
        Beats(),
        recipe="relf-ecg:lr=0.03,batch=8",
        epochs=6,
        device="cpu",
    )
    assert str(done.objective.objective) == "denoising:corruption=none,loss=l1"
    assert done.rows[-1]["held_out_loss"] < done.rows[0]["held_out_loss"]


def test_the_recipe_of_views_runs():
    recipe = Recipe.make("relf-simclr").but(network="pellucid:simclr:hidden=8,out=4", batch=6)
    done = pl.fit(None, "subset:first=14@scenes:size=32", recipe=recipe, epochs=1, device="cpu")
    assert done.rows[-1]["step"] == 2
    assert str(done.objective.objective) == "infonce"


def test_on_the_command_line(run, tmp_path):
    recipe = 'relf-mnist:batch=20,transform="plain:size=28"'
    code, out, _ = run("train", DIGITS, "--recipe", recipe, "--epochs", "1", "-o", str(tmp_path / "run"))
    assert code == 0
    assert "held_out_loss" in out
    assert "--ask similarity" in out


# --- real data --------------------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.slow
def test_three_epochs_of_digits_beat_their_mean(data):
    """Denoising in four numbers, on 4,000 pictures of MNIST: below the loss of who always answers the mean picture."""
    some = f"subset:balanced=4000@mnist:root={data}/mnist"
    done = fit(data=some, recipe="relf-mnist:batch=50", epochs=3)
    x = Dataset.make(some).images().float() / 255
    mean = float((x - x.mean(0)).square().mean())
    assert done.rows[-1]["held_out_loss"] < 0.95 * mean


@pytest.mark.data
@pytest.mark.slow
def test_units_of_a_vae_are_used(data):
    """β = 1: at least two of three tell more than a tenth of a nat; they tell less of each picture with β = 10."""
    some = f"subset:balanced=6000@mnist:root={data}/mnist"
    recipe = 'relf-mnist:batch=50,transform="plain:size=32"'
    kl = {}
    for beta in (1, 10):
        done = fit("pellucid:conv-vae", some, f"beta-vae:beta={beta}", recipe, epochs=6)
        kl[beta] = done.rows[-1]["held_out_kl"]
        if beta == 1:
            x = Transform.make("plain:size=32").picture(False)(Dataset.make(some).images(range(500))).float() / 255
            mean, logvar = (y.detach() for y in done.model.posterior(x))
            used = (0.5 * (mean.square() + logvar.exp() - logvar - 1)).mean(0)
            assert int((used > 0.1).sum()) >= 2
    assert kl[10] < kl[1]


@pytest.mark.data
def test_heartbeats_are_learned(data, tmp_path):
    """For some epochs it knows only the mean of a beat; then the loss falls."""
    done = fit("pellucid:lstm-autoencoder:latent=16", heartbeats(data, tmp_path), None, "relf-ecg:lr=0.005", epochs=14)
    assert done.rows[-1]["held_out_loss"] < 0.8 * done.rows[0]["held_out_loss"]


@pytest.mark.slow
def test_a_vae_takes_sprites_apart():
    """A few minutes of β-VAE: single units know scale, x and y. With β = 4 pictures are as good, units a mixture."""
    some = Dataset.make("subset:every=211@sprites")
    records = [some[i] for i in range(len(some))]
    x = torch.stack([record.image for record in records]).float()
    x = x / x.amax()
    factors = torch.stack([record.facts["classes"] for record in records])[:, 1:]
    gap, net = Metric.make("mutual-information-gap"), "pellucid:conv-vae:latent=6,size=64"
    done = fit(net, some, "beta-vae:beta=10", "relf-mnist:batch=32,held_out=0.1", epochs=26, seed=1)
    torch.manual_seed(1)
    with torch.no_grad():
        untrained, trained = (float(gap(model(x), factors)) for model in (load_model(net), done.model))
    assert trained > untrained + 0.1
