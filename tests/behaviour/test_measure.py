"""pl.measure: one metric of some maps."""

import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.contracts.case import images, model
from pellucid.contracts.metrics import Planted, object_mask, planted_images, truth
from pellucid.errors import BadInput, BadQuestion
from pellucid.metrics import Case, Metric
from pellucid.subject import Subject, as_batch


@pytest.fixture(scope="module")
def planted():
    net, x = Planted(), planted_images()
    return net, x, pl.explain(net, x, "input-x-gradient", target=0)


def test_a_map_that_knows_beats_one_that_does_not(planted):
    net, x, e = planted
    scores = pl.measure(net, x, e, "insertion")
    assert scores.dtype == torch.float32
    assert scores.shape == (4,)
    assert bool((scores > pl.measure(net, x, -e.maps, "insertion", target=0) + 0.1).all())


def test_a_tensor_an_explanation_and_a_name_are_the_same_maps(planted):
    net, x, e = planted
    wanted = pl.measure(net, x, e, "deletion")
    assert torch.equal(wanted, pl.measure(net, x, e.maps, "deletion", target=0))
    assert torch.equal(wanted, pl.measure(net, x, "input-x-gradient", "deletion", target=0))
    assert torch.equal(wanted, pl.measure(net, x, e, pl.metrics.Deletion()))


def test_explainers_and_questions_without_a_text():
    """A class of one's own, and a function as the question: what made the maps is known as an object."""
    net, x = Planted(), planted_images()
    mine = pl.explain(net, x, "input-x-gradient", ask=lambda y: y[:, 0])
    assert bool(pl.measure(net, x, mine, "max-sensitivity:samples=1", target=0).isfinite().all())
    assert bool(pl.measure(net, x, mine, "insertion", target=0).isfinite().all())


def test_maps_from_a_file(planted, tmp_path):
    net, x, e = planted
    read = pl.Explanation.load(e.save(tmp_path))
    for metric in ("insertion", "max-sensitivity:samples=1"):
        assert torch.equal(pl.measure(net, x, e, metric), pl.measure(net, x, read, metric))


def test_the_class_is_that_of_the_explanation_else_the_predicted_one(planted):
    net, x, e = planted
    of_one = pl.explain(net, x, "input-x-gradient", target=1)
    assert float(pl.measure(net, x, of_one, "insertion").mean()) < 0.2  # the probability of class 1
    assert torch.equal(pl.measure(net, x, e.maps, "insertion"), pl.measure(net, x, e, "insertion"))


def test_the_model_alone():
    net, x = model("tiny-cnn"), images(3)
    top = net(x).argmax(1)
    assert pl.measure(net, x, None, "accuracy", labels=top).tolist() == [1, 1, 1]
    assert pl.measure(net, x, None, "accuracy", labels=(top + 1) % 5).tolist() == [0, 0, 0]
    assert torch.allclose(pl.measure(net, x, None, "confidence"), net(x).softmax(1).amax(1))


def test_a_label_that_is_not_there_is_undefined():
    scores = pl.measure(model("tiny-cnn"), images(2), None, "accuracy", labels=[-1, 0])
    assert bool(scores[0].isnan())
    assert not bool(scores[1].isnan())


def test_ties_share_the_last_places():
    class Equal(nn.Module):
        def forward(self, x):
            return torch.zeros(len(x), 4)

    scores = [pl.measure(Equal(), images(1), None, f"accuracy:k={k}", labels=2).item() for k in (1, 2, 4, 9)]
    assert scores == [0.25, 0.5, 1.0, 1.0]


def test_the_mean_colour_must_be_known():
    net, x = model("tiny-cnn"), images(2).sigmoid()  # in [0, 1]; the model's own card says how it is normalised
    assert pl.measure(net, x, "gradient", "deletion").isfinite().all()
    del net.pellucid_card
    with pytest.raises(BadInput, match="mean colour"):
        pl.measure(net, x, "gradient", "deletion")
    given = pl.measure(net, x, "gradient", "deletion", mean=(0.5, 0.5, 0.5))
    assert not torch.equal(given, pl.measure(net, x, "gradient", "deletion:into=zeros"))
    assert torch.equal(pl.measure(net, x, "gradient", "deletion:into=zeros"), pl.measure(
        net, x, "gradient", "deletion", mean=[0.0]))  # fmt: skip


def test_one_forward_serves_all_and_the_intact_image_is_not_asked_again(planted):
    net, x, e = planted
    rows: list[int] = []
    handle = net.register_forward_pre_hook(lambda _m, args: rows.append(len(args[0])))
    try:
        pl.measure(net, x, e, "overall", batch_size=29)
    finally:
        handle.remove()
    assert sum(rows) == 4 * (1 + 28 + 28)
    assert rows[1:] == [29, 29, 29, 25] * 2  # full batches, across images and steps


def test_inputs_beside_the_image():
    """What stands beside an image goes with it into every variant."""

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Planted()

        def forward(self, x, factor):
            return self.net(x) * factor[:, None]

    net, x = Scaled(), planted_images()
    factors = torch.tensor([0.1, 1.0, 2.0, 0.5])
    whole = pl.measure(net, (x, factors), "input-x-gradient", "insertion", target=0)
    for i in range(4):
        alone = pl.measure(net, (x[i : i + 1], factors[i : i + 1]), "input-x-gradient", "insertion", target=0)
        assert torch.allclose(whole[i], alone[0], atol=1e-6)
    named = pl.measure(net, {"x": x, "factor": factors}, "input-x-gradient", "insertion", target=0)
    assert torch.allclose(whole, named, atol=1e-6)


def test_signals():
    class Beat(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(40, 2)

        def forward(self, x):
            return self.head(x.flatten(1))

    x = torch.randn(3, 1, 40)
    assert pl.measure(Beat(), x, "gradient", "overall").isfinite().all()


def test_sigmoid_outputs(planted):
    net, x, _ = planted
    plain = pl.explain(net, x, "input-x-gradient", ask="probability", target=0)
    sigmoid = pl.explain(net, x, "input-x-gradient", ask="probability:link=sigmoid", target=0)
    clean = net(x).detach()
    first = [_first(net, x, e) for e in (plain, sigmoid)]
    assert torch.allclose(first[0], clean.softmax(1)[:, 0])
    assert torch.allclose(first[1], clean.sigmoid()[:, 0])


def _first(net, x, e):
    """The first point of the deletion curve."""
    case = Case(Subject(net), as_batch(x), torch.zeros(4, dtype=torch.int64), colour=torch.zeros(3))
    case = case.of(e.maps, None, pl.questions.Question.make(e.ask))
    return pl.metrics.Deletion().trace(case)[:, 0]


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, said",
    [
        ({"masks": torch.zeros(4, 5, 5)}, "masks are"),
        ({"masks": torch.full((4, 32, 32), 7, dtype=torch.uint8)}, "values up to 7"),
        ({"masks": [1, 2]}, "the masks are"),
        ({"boxes": [torch.zeros(0, 4)]}, "boxes of 1 samples"),
        ({"boxes": [torch.tensor([[5.0, 5.0, 2.0, 9.0]])] * 4}, "boxes of sample 0"),
        ({"labels": [0, 1]}, "labels do not fit 4"),
        ({"mean": [0.5, 0.5]}, "mean has 2 numbers"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_bad_truth(planted, options, said):
    net, x, e = planted
    with pytest.raises(BadInput, match=said):
        pl.measure(net, x, e, "insertion", **options)


def test_bad_maps(planted):
    net, x, e = planted
    with pytest.raises(BadInput, match="resize them"):
        pl.measure(net, x, e.maps[:, ::2], "insertion")
    with pytest.raises(BadInput, match="choose one class"):
        pl.measure(net, x, torch.stack([e.maps, e.maps], 1), "insertion")
    with pytest.raises(BadInput, match="map 2 holds NaN"):
        pl.measure(net, x, e.maps.index_fill(0, torch.tensor(2), torch.nan), "insertion")
    with pytest.raises(BadInput, match="scores maps"):
        pl.measure(net, x, None, "insertion")
    with pytest.raises(BadInput, match="empty batch"):
        pl.measure(net, x[:0], e[:0], "insertion")
    with pytest.raises(BadQuestion, match="probability of a class"):
        pl.measure(nn.Conv2d(3, 2, 1), x, e.maps, "insertion", target=0)
    with pytest.raises(BadInput, match="class 9"):
        pl.measure(net, x, e.maps, "insertion", target=9)


def test_a_constant_map_orders_nothing(planted):
    net, x, _ = planted
    assert bool(pl.measure(net, x, torch.ones(4, 32, 32), "insertion").isnan().all())
    assert bool(pl.measure(net, x, torch.ones(4, 32, 32), "insertion:protocol=rise").isfinite().all())


def test_every_metric_says_which_way_is_better():
    known = pl.catalog("metrics")
    for name in known:
        metric = known[name](**known[name].quick)
        assert isinstance(metric, Metric)
        assert metric.better in ("higher", "lower", None)
        assert metric.scores in ("map", "explainer", "model", "influence", "codes")
        assert len(metric.card_id) == 8
        assert metric.card["metric"] == str(metric)
        assert metric.card_id == known[name](**known[name].quick).card_id


def test_truth_fits_the_planted_object():
    assert torch.equal(truth(1)["masks"][0], object_mask().byte())
