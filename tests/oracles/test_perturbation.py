"""RISE, occlusion, feature ablation, LIME and Kernel SHAP beside loops, definitions and other libraries."""

from itertools import combinations, permutations, product
from math import ceil, comb, factorial

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation, KernelShap, Lime
from captum.attr import Occlusion as CaptumOcclusion
from captum.attr._core.lime import get_exp_kernel_similarity_function
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from torch import nn
from torch.nn.functional import interpolate

import pellucid as pl
from pellucid.errors import BadInput, BadKnob
from pellucid.explainers import LIME, RISE, KernelSHAP, Occlusion
from pellucid.explainers._segments import rectangles, spread
from pellucid.explainers.kernel_shap import coalitions, kernel_shap
from pellucid.explainers.lime import lime, nearness
from pellucid.explainers.occlusion import occlusion, windows
from pellucid.explainers.rise import LOOK, Sums, rise, rise_error, rise_masks
from pellucid.networks._load import Card
from tests.oracles.networks import network, pictures
from tests.oracles.peers import TARGET, close, only, raw

PERTURBING = ("rise:masks=20,cells=3", "occlusion:window=5", "feature-ablation:cells=3", "lime:samples=20,cells=2",
              "kernel-shap:samples=20,cells=3")  # fmt: skip


class Small(nn.Module):
    """A little network that is anything but additive, and keeps what it is asked."""

    def __init__(self, axes=2, after=lambda y: y):
        super().__init__()
        torch.manual_seed(0)
        convolution, pool = ((nn.Conv1d, nn.AdaptiveAvgPool1d), (nn.Conv2d, nn.AdaptiveAvgPool2d))[axes - 1]
        self.body = nn.Sequential(convolution(3, 8, 3, padding=1), nn.GELU(), convolution(8, 8, 3, 2), nn.GELU())
        self.head = nn.Sequential(pool(2), nn.Flatten(), nn.Linear(8 * 2**axes, 4))
        self.after, self.asked = after, []

    def forward(self, x):
        self.asked.append(x.detach().clone())
        return self.after(3 * self.head(self.body(x)))

    @property
    def rows(self):
        return [len(x) for x in self.asked]


class Linear(nn.Module):
    """Σ w x of every class."""

    def __init__(self, shape=(3, 13, 17)):
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, *shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64))

    def forward(self, x):
        return torch.einsum("nchw,kchw->nk", x, self.w) + 1


def small(axes=2, **knobs):
    return Small(axes, **knobs).double().eval()


def x(n=2, size=(13, 17), seed=1):
    return torch.randn(n, 3, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def p_of(net, image, target):
    with torch.no_grad():
        return float(net(image[None]).softmax(1)[0, target])


def logit_of(net, image, target):
    with torch.no_grad():
        return float(net(image[None])[0, target])


# --- RISE ------------------------------------------------------------------------------------------------------------


def masks_by_hand(grids, shifts, size):
    """As the paper has it: enlarge to a cell more, cut out at the shift."""
    cells = grids.shape[1:]
    whole = [(c + 1) * ceil(side / c) for c, side in zip(cells, size)]
    made = []
    for grid, (dy, dx) in zip(grids, shifts.tolist()):
        large = interpolate(grid[None, None], size=whole, mode="bilinear")[0, 0]
        made.append(large[dy : dy + size[0], dx : dx + size[1]])
    return torch.stack(made)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_rise_masks_are_grids_enlarged_and_cut_out(rows, columns, h, w, seed):
    rows, columns, chance = min(rows, h), min(columns, w), torch.Generator().manual_seed(seed)
    grids = torch.rand(3, rows, columns, generator=chance, dtype=torch.float64)
    shifts = torch.stack([torch.randint(ceil(a / b), (3,), generator=chance) for a, b in ((h, rows), (w, columns))], 1)
    made = rise_masks(grids, shifts, (h, w))
    assert made.shape == (3, h, w)
    assert torch.allclose(made, masks_by_hand(grids, shifts, (h, w)), atol=2e-6)


@pytest.mark.peer
def test_rise_masks_of_its_authors():
    """They enlarge with scikit-image, which mirrors at the border where torch repeats: the inside is the same."""
    transform = pytest.importorskip("skimage.transform")
    grids, shifts = RISE(masks=6, cells=5).draw((41, 30), torch.Generator().manual_seed(0))
    ours = rise_masks(grids.float(), shifts, (41, 30))
    for grid, (dy, dx), mask in zip(grids.float(), shifts.tolist(), ours):
        theirs = transform.resize(grid.numpy(), (6 * 9, 6 * 6), order=1, mode="edge", anti_aliasing=False)
        assert np.abs(theirs[dy : dy + 41, dx : dx + 30] - mask.numpy()).max() < 1e-5
        mirrored = transform.resize(grid.numpy(), (6 * 9, 6 * 6), order=1, mode="reflect", anti_aliasing=False)
        assert np.abs(mirrored - theirs)[6:-6, 6:-6].max() < 1e-6


@pytest.mark.parametrize("normalise", ["pixels", "expected"])
def test_rise_by_hand(normalise):
    """One image, one mask, one forward after another."""
    net, member = small(), RISE(masks=30, cells=4, probability=0.3, normalise=normalise, seed=3)
    ours = pl.explain(net, x(), member, target=[1, 2], batch_size=7).raw
    grids, shifts = member.draw((13, 17), torch.Generator().manual_seed(3))
    masks = masks_by_hand(grids.double(), shifts, (13, 17))
    for i, target in enumerate([1, 2]):
        total, seen = torch.zeros(13, 17), torch.zeros(13, 17)
        for mask in masks:
            total += p_of(net, x()[i] * mask, target) * mask
            seen += mask
        close(ours[i], total / (seen if normalise == "pixels" else 30 * 0.3), 1e-5)


def test_rise_of_a_constant_is_constant():
    """By how often a pixel was seen; by what was to be expected, the draw shows."""
    net = small(after=lambda y: 0 * y + torch.tensor([2.0, 1.0, 0.0, 0.0]))
    flat = pl.explain(net, x(), "rise:masks=400", ask="logit", target=0).raw
    assert (flat - 2).abs().max() < 1e-6
    rough = pl.explain(net, x(), "rise:masks=400,normalise=expected", ask="logit", target=0).raw
    assert 0.02 < (rough / 2 - 1).abs().max() < 0.3
    few = pl.explain(
        net, x(), "rise:masks=1,cells=7,probability=0.05", ask="logit", target=0
    ).raw  # hardly a pixel seen
    assert (few - 2).abs().max() < 1e-6


def test_rise_doubles_with_the_score():
    one = pl.explain(small(), x(), "rise:masks=50", ask="logit", target=0).raw
    two = pl.explain(small(after=lambda y: 2 * y), x(), "rise:masks=50", ask="logit", target=0).raw
    close(two, 2 * one, 1e-6)
    assert torch.equal(one, pl.explain(small(), x(), "rise:masks=50", ask="logit", target=0).raw)
    assert not torch.equal(one, pl.explain(small(), x(), "rise:masks=50,seed=4", ask="logit", target=0).raw)


def test_pixels_are_not_seen_equally_often():
    grids, shifts = RISE().draw((224, 224), torch.Generator().manual_seed(0))
    seen = sum(rise_masks(g.float(), s, (224, 224)).sum(0) for g, s in zip(grids.split(100), shifts.split(100))) / 4000
    assert seen.mean() == pytest.approx(0.5, abs=0.01)
    assert 0.47 < seen.min() < 0.495
    assert 0.505 < seen.max() < 0.53


def test_a_negative_logit_turns_the_papers_map_over():
    """Minus one everywhere: what is seen most comes out lowest, and divided by that, nothing does."""
    net = small(after=lambda y: 0 * y - 1)
    grids, shifts = RISE(masks=100).draw((13, 17), torch.Generator().manual_seed(0))
    seen = rise_masks(grids.double(), shifts, (13, 17)).sum(0)
    papers = pl.explain(net, x(1), "rise:masks=100,normalise=expected", ask="logit", target=0).raw[0]
    assert torch.corrcoef(torch.stack([papers.flatten(), seen.flatten()]))[0, 1] < -0.999


def test_masked_is_mean_colour_and_not_black():
    """Zero of the model's space, unless asked otherwise."""
    net, image = small(), x(1, (9, 9))
    net.pellucid_card = Card("small", (9, 9), (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    cover = (slice(None), slice(0, 3), slice(0, 3))
    for baseline, covered in (("0.0", 0.0), ("black", -torch.tensor([2.5, 2.0, 1.5])), ("0.25", 0.25)):
        net.asked.clear()
        pl.explain(net, image, f"occlusion:window=3,stride=3,baseline={baseline}", target=0)
        first = torch.cat(net.asked)[1]  # after the clean one
        wanted = image[0].clone()
        wanted[cover] = torch.as_tensor(covered, dtype=torch.float64).view(-1, 1, 1)
        assert torch.allclose(first, wanted, atol=1e-12)


def test_rise_follows_the_conventions_of_others():
    """TorchRay's sigmoid of the logits, and its division by the number of masks alone; the notebook's p = 0.1."""
    net, member = small(), RISE(masks=40, cells=8, probability=0.1, normalise="expected")
    ours = pl.explain(net, x(), member, ask="probability:link=sigmoid", target=[1, 2]).raw
    grids, shifts = member.draw((13, 17), torch.Generator().manual_seed(0))
    masks = rise_masks(grids.double(), shifts, (13, 17))
    with torch.no_grad():
        told = torch.stack([net(image * masks[:, None])[:, t].sigmoid() for image, t in zip(x(), [1, 2])])
    close(ours * 0.1, torch.einsum("nm,mhw->nhw", told, masks) / 40, 1e-6)


def test_rise_error_is_what_it_says():
    """Against a long run, on average over seeds; and of two calls with other seeds."""
    net, image = small(), x(1, (16, 16))
    explained = {"ask": "probability", "target": 1}
    truth = pl.explain(net, image, "rise:masks=20000,cells=4,seed=77", **explained).raw
    estimated, real, between = [], [], []
    for seed in range(10):
        member = RISE(masks=256, cells=4, seed=seed)
        grids, shifts = member.draw((16, 16), torch.Generator().manual_seed(seed))
        masks = rise_masks(grids.double(), shifts, (16, 16))
        with torch.no_grad():
            told = net(image * masks[:, None]).softmax(1)[:, 1][None]
        sums = Sums(1, masks[0])
        sums.add(told, masks, torch.ones(1, dtype=torch.bool))
        estimated.append(float(sums.error()))
        a, b = ((m - m.mean()).flatten() for m in (sums.map(), truth))
        real.append(float((a - b).norm() / a.norm()))
        other = pl.explain(net, image, member.but(seed=100 + seed), **explained).raw
        between.append(float(rise_error(sums.map(), other)))
    estimated, real, between = (sum(v) / len(v) for v in (estimated, real, between))
    assert 0.1 < real < 0.6  # nothing to be seen otherwise
    assert estimated == pytest.approx(real, rel=0.35)
    assert between == pytest.approx(real / 2**0.5, rel=0.35)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 999), st.floats(0.1, 10), st.floats(-5, 5))
def test_rise_error_knows_no_scale_and_no_level(seed, scale, level):
    a, b = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert torch.allclose(rise_error(a, b), rise_error(scale * b + level, scale * a - level))
    assert torch.equal(rise_error(a, a), torch.zeros(3, dtype=torch.float64))


def test_rise_until_it_is_good_enough():
    """Every image stops by itself, whatever it is asked with; never above `masks`."""
    net, images = small(), torch.cat([x(1), torch.zeros(1, 3, 13, 17, dtype=torch.float64), x(1, seed=2) * 0.05])
    member = RISE(masks=8 * LOOK, cells=3, until=0.15)
    net.asked.clear()
    whole = pl.explain(net, images, member, target=1, batch_size=32).raw
    spent = sum(net.rows) - 3
    assert spent % LOOK == 0
    assert LOOK * 3 < spent < 8 * LOOK * 3
    for i in range(3):
        close(pl.explain(net, images[i : i + 1], member, target=1).raw[0], whole[i], 1e-6)
        long = pl.explain(net, images[i : i + 1], member.but(until=None, masks=LOOK), target=1).raw[0]
        if i == 1:  # an empty image has nothing to wait for
            close(long, whole[i], 1e-6)
    two = pl.explain(net, images, member, target=[[0, 1]] * 3, ask=["probability", "logit"]).raw
    close(two[:, 1, 0], whole, 1e-6)
    never = pl.explain(net, images[:1], member.but(until=0.0), target=1).raw
    close(never, pl.explain(net, images[:1], member.but(until=None), target=1).raw, 1e-6)


@pytest.mark.parametrize("until", [0.1, 0.2, 0.4])
def test_rise_stops_at_the_first_look_that_satisfies(until):
    """The error of even and odd masks, reckoned here from the start at every look."""
    net, image, member = small(), x(1), RISE(masks=12 * LOOK, cells=3, until=until)
    grids, shifts = member.draw((13, 17), torch.Generator().manual_seed(0))
    masks = rise_masks(grids.double(), shifts, (13, 17))
    with torch.no_grad():
        told = net(image * masks[:, None]).softmax(1)[:, 1][None]
    looks = range(LOOK, 13 * LOOK, LOOK)
    errors = [float(rise_error(*(rise(told[:, half:at:2], masks[half:at:2]) for half in (0, 1)))) for at in looks]
    stop = next((at for at, error in zip(looks, errors) if error <= until), looks[-1])
    net.asked.clear()
    ours = pl.explain(net, image, member, target=1)
    assert sum(net.rows) == 1 + stop
    assert LOOK <= stop < 12 * LOOK
    close(ours.raw, rise(told[:, :stop], masks[:stop]), 1e-6)


def test_rise_of_half_precision_is_summed_in_single():
    net = small(after=lambda y: 0 * y + 1).bfloat16()
    e = pl.explain(net, x().bfloat16(), "rise:masks=300", ask="logit", target=0)
    assert e.raw.dtype == torch.float32
    assert (e.raw - 1).abs().max() < 1e-5


# --- occlusion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window, stride", [((5, 4), (3, 2)), (6, 6), ((13, 17), 3), (4, 1)])
@pytest.mark.parametrize("divide", [True, False])
def test_occlusion_by_hand(window, stride, divide):
    net, target = small(), [3, 0]
    ours = pl.explain(net, x(), Occlusion(window=window, stride=stride, divide=divide, baseline=0.3), target=target).raw
    (h, w), (down, across) = ((v, v) if isinstance(v, int) else v for v in (window, stride))
    for i, t in enumerate(target):
        total, covered, clean = torch.zeros(13, 17), torch.zeros(13, 17), logit_of(net, x()[i], t)
        for top in range(0, 13, down):
            for left in range(0, 17, across):
                hidden = x()[i].clone()
                hidden[:, top : top + h, left : left + w] = 0.3
                total[top : top + h, left : left + w] += clean - logit_of(net, hidden, t)
                covered[top : top + h, left : left + w] += 1
                if left + w >= 17:
                    break
            if top + h >= 13:
                break
        close(ours[i], total / covered if divide else total, 1e-5)


def test_occlusion_of_a_linear_model_is_its_windows():
    """Σ w (x − x′) of a window; after the division, the mean of these over the windows of a pixel."""
    net, member = Linear(), Occlusion(window=5, stride=2, baseline=0.5)
    ours = pl.explain(net, x(), member, target=2).raw
    part = (net.w[2].detach() * (x() - 0.5)).sum(1)
    rows, columns = windows(13, 5, 2).double(), windows(17, 5, 2).double()
    within = torch.einsum("ka,lb,nab->nkl", rows, columns, part)
    close(ours, occlusion(within, rows, columns), 1e-10)
    apart = pl.explain(net, x(), Occlusion(window=(13, 1), stride=(13, 1)), target=2).raw  # a window a column
    close(apart, (net.w[2].detach() * x()).sum((1, 2))[:, None].expand(2, 13, 17), 1e-10)


def test_coverage_is_uniform_inside_and_thin_at_the_border():
    covered = torch.outer(windows(20, 6, 2).sum(0), windows(20, 6, 2).sum(0))
    assert (covered[4:-4, 4:-4] == 9).all()
    assert covered[0, 0] == 1


def test_default_windows():
    down, across = Occlusion().lattice((224, 224))
    assert (len(down), len(across)) == (15, 15)
    assert down.sum(1).tolist() == [28.0] * 15
    assert [len(axis) for axis in Occlusion().lattice((1, 140))] == [1, 15]  # of a signal


def test_windows_with_gaps_are_refused():
    with pytest.raises(BadKnob, match="leaves gaps between windows of 3"):
        pl.explain(small(), x(), "occlusion:window=3,stride=4", target=0)
    whole = pl.explain(small(), x(), "occlusion:window=99,stride=50", target=0).raw  # one window is everything
    assert (whole - whole[:, :1, :1]).abs().max() < 1e-12


@pytest.mark.peer
@only("resnet18")
def test_occlusion_of_captum(name):
    net = network(name)
    with torch.no_grad():
        theirs = CaptumOcclusion(net).attribute(
            pictures(), (3, 40, 32), strides=(3, 28, 25), target=TARGET, baselines=0.2, perturbations_per_eval=8
        )
    ours = raw(name, Occlusion(window=(40, 32), stride=(28, 25), baseline=0.2))
    close(ours[:, None].expand_as(theirs), theirs)


# --- segments --------------------------------------------------------------------------------------------------------


def test_spread_by_hand():
    labels = torch.randint(0, 4, (2, 5, 6), generator=torch.Generator().manual_seed(0))
    said = torch.randn(2, 4, dtype=torch.float64)
    for i, row, column in product(range(2), range(5), range(6)):
        k = labels[i, row, column]
        assert spread(said, labels, False)[i, row, column] == said[i, k]
        part = said[i, k] / (labels[i] == k).sum()
        assert spread(said, labels, True)[i, row, column] == pytest.approx(float(part))
    close(spread(said, labels, True).sum((1, 2)), said.sum(1), 1e-12)


def test_rectangles():
    labels = rectangles((13, 17), 3)
    assert labels.unique().tolist() == list(range(9))
    sizes = torch.bincount(labels.flatten())
    assert sizes.min() >= 4 * 5
    assert sizes.max() <= 5 * 6
    assert rectangles((2, 17), 5).max() == 9


OWN = torch.arange(13 * 17).view(13, 17) // 40


@pytest.mark.parametrize("member", ["feature-ablation", "lime:samples=30", "kernel-shap:samples=30"])
def test_segments_of_ones_own(member):
    """A tensor, one an image, or a function; numbers may have gaps; a grid is a tensor, too."""
    net, made = small(), pl.explainers.Explainer.make(member)
    one = pl.explain(net, x(), made.but(segments=OWN), target=0).raw
    assert len(one[0].unique()) == 6
    close(pl.explain(net, x(), made.but(segments=10 * OWN - 3), target=0, batch_size=1).raw, one, 1e-9)
    close(pl.explain(net, x(), made.but(segments=lambda image: OWN), target=0, batch_size=1).raw, one, 1e-9)
    other = torch.stack([OWN, OWN.flip(0) % 3])
    two = pl.explain(net, x(), made.but(segments=other), target=0).raw
    close(two[0], one[0], 1e-9)
    close(two[1], pl.explain(net, x()[1:], made.but(segments=other[1]), target=0).raw[0], 1e-9)
    grid = pl.explain(net, x(), made.but(cells=2), target=0).raw
    close(pl.explain(net, x(), made.but(segments=rectangles((13, 17), 2)), target=0).raw, grid, 1e-9)


def test_segments_that_do_not_fit():
    for wrong in (OWN.float(), OWN[:5], lambda image: OWN[:, :3], torch.stack([OWN] * 3)):
        with pytest.raises(BadInput, match="the segments of feature-ablation"):
            pl.explain(small(), x(), pl.explainers.FeatureAblation(segments=wrong), target=0)
    with pytest.raises(BadInput, match="no batch_size"):
        pl.explain(small(), x(), pl.explainers.FeatureAblation(segments=torch.stack([OWN] * 2)), target=0, batch_size=2)


@pytest.mark.parametrize("kind", ["slic", "felzenszwalb"])
def test_superpixels(kind):
    """Each image has its own, and as many as it likes."""
    pytest.importorskip("skimage")
    net = small().float()
    images = interpolate(x(3, (5, 6)).float(), (40, 48), mode="bicubic")
    member = f"feature-ablation:cells=4,segments={kind}"
    whole = pl.explain(net, images, member, target=0).raw
    counts = [len(m.unique()) for m in whole]
    assert min(counts) > 2
    assert len(set(counts)) > 1
    for i in range(3):
        close(pl.explain(net, images[i : i + 1], member, target=0).raw[0], whole[i], 1e-4)
    net.asked.clear()
    labels = pl.explainers.Explainer.make(member).labels(pl.subject.Subject(net), images)
    pl.explain(net, images, member, target=0)
    assert sum(net.rows) == 3 + int((labels.flatten(1).amax(1) + 1).sum())  # none is asked of segments that are not
    shap = pl.explain(net, images, f"kernel-shap:cells=3,samples=40,segments={kind}", target=0)
    close(shap.raw.sum((1, 2)), shap.owed, 1e-4)


def test_a_segments_own_colour_as_baseline():
    net, image, labels = small(), x(1), OWN
    member = pl.explainers.FeatureAblation(segments=labels, baseline="segment")
    net.asked.clear()
    ours = pl.explain(net, image, member, target=0).raw
    for k in range(6):
        hidden = image[0].clone()
        hidden[:, labels == k] = image[0][:, labels == k].mean(1, keepdim=True)
        assert torch.allclose(torch.cat(net.asked)[1 + k], hidden, atol=1e-12)
        close(ours[0][labels == k][0], logit_of(net, image[0], 0) - logit_of(net, hidden, 0), 1e-6)
    flat = torch.ones(1, 3, 13, 17, dtype=torch.float64)  # cannot be removed
    assert pl.explain(net, flat, member, target=0).raw.abs().max() < 1e-12


# --- feature ablation ------------------------------------------------------------------------------------------------


def test_feature_ablation_by_hand():
    net = small()
    ours = pl.explain(net, x(), "feature-ablation:cells=3,baseline=mean", ask="contrast", target=[1, 2]).raw

    def odds(image, t):
        with torch.no_grad():
            p = net(image[None]).softmax(1)[0, t]
        return float(torch.log(p / (1 - p)))

    labels = rectangles((13, 17), 3)
    for i, t in enumerate([1, 2]):
        for k in range(9):
            hidden = x()[i].clone()
            hidden[:, labels == k] = x()[i].mean((1, 2))[:, None]
            close(ours[i][labels == k].mean(), odds(x()[i], t) - odds(hidden, t), 1e-5)


@pytest.mark.parametrize("explainer", ["feature-ablation", "kernel-shap:samples=100", "lime:ridge=0"])
def test_an_additive_model_is_told_exactly(explainer):
    """Σ w (x − x′) of every segment, by ablation, Shapley's values and an unpenalised line."""
    net = Linear()
    made = pl.explainers.Explainer.make(explainer).but(share=True, baseline=0.5)
    e = pl.explain(net, x(), made, target=2)
    part = (net.w[2].detach() * (x() - 0.5)).sum(1)
    labels = rectangles((13, 17), 7)
    for k in range(49):
        close(e.raw[:, labels == k].sum(1), part[:, labels == k].sum(1), 1e-8)
    close(e.raw.sum((1, 2)), part.sum((1, 2)), 1e-8)


@pytest.mark.peer
@only("resnet18")
def test_feature_ablation_of_captum(name):
    labels = rectangles((112, 112), 4)
    with torch.no_grad():
        theirs = FeatureAblation(network(name)).attribute(
            pictures(), target=TARGET, feature_mask=labels[None, None], baselines=0.2, perturbations_per_eval=8
        )
    ours = raw(name, "feature-ablation:cells=4,baseline=0.2")
    close(ours[:, None].expand_as(theirs), theirs)


# --- LIME ------------------------------------------------------------------------------------------------------------


def test_lime_is_weighted_ridge_regression():
    """Of scikit-learn, whose constant is not penalised either."""
    chance = torch.Generator().manual_seed(0)
    there = torch.rand(60, 9, generator=chance) < 0.5
    weights = nearness(there, "cosine", 0.25)
    answers = torch.randn(3, 60, generator=chance, dtype=torch.float64)
    for ridge in (0.0, 1e-3, 1.0, 50.0):
        theirs = Ridge(ridge).fit(there.double().numpy(), answers.T.numpy(), weights.numpy()).coef_
        close(lime(there, weights, answers, ridge), torch.from_numpy(theirs), 1e-8)


def test_lime_by_hand():
    net, member = small(), LIME(samples=40, cells=2, seed=5, ridge=0.3, width=0.4)
    ours = pl.explain(net, x(), member, ask="probability", target=[1, 2]).raw
    there, weights = member.draw(4, torch.Generator().manual_seed(5))
    labels = rectangles((13, 17), 2)
    for i, t in enumerate([1, 2]):
        rows, told, much = [[1.0] * 4], [p_of(net, x()[i], t)], [1.0]
        for z in there:
            rows.append([float(v) for v in z])
            told.append(p_of(net, x()[i] * z[labels], t))
            much.append(np.exp(-((1 - (sum(rows[-1]) / 4) ** 0.5) ** 2) / (2 * 0.4**2)))
        assert np.allclose(much[1:], weights)
        theirs = Ridge(0.3).fit(np.array(rows), np.array(told), np.array(much)).coef_
        close(ours[i], torch.from_numpy(theirs)[labels], 1e-4)


def test_fewer_samples_than_segments():
    """Penalised or of the least norm: no line is left without an answer."""
    for ridge in (0, 1):
        maps = pl.explain(small(), x(), f"lime:samples=10,ridge={ridge}", target=0).maps
        assert maps.isfinite().all()
        assert maps.abs().max() > 0


def test_nearness():
    z = torch.tensor([[True] * 4, [True, True, False, False], [False] * 4])
    assert nearness(z, "cosine", 0.25)[1] == pytest.approx(0.503, abs=1e-3)  # what the docstring says of a half
    assert nearness(z, "euclidean", 0.5).tolist() == pytest.approx([1, np.exp(-1), np.exp(-2)])


@pytest.mark.peer
def test_lime_of_captum():
    """Its weights of the same samples, and its coefficients from the same answers."""
    from captum._utils.models.linear_model import SkLearnRidge

    net, image, labels = small().float(), x(1).float(), rectangles((13, 17), 3)
    member = LIME(samples=60, cells=3, ridge=1.0, width=0.25)
    there, weights = member.draw(9, torch.Generator().manual_seed(0))
    rows = torch.cat([torch.ones(1, 9, dtype=torch.bool), there])
    kernel = get_exp_kernel_similarity_function("cosine", 0.25)
    for z, weight in zip(there, weights):
        if z.any():
            assert kernel(torch.ones(1, 9), z.float()[None], None) == pytest.approx(float(weight), abs=1e-6)
    drawn, near = iter(rows.long()), {tuple(z.tolist()): w for z, w in zip(there, weights)}
    theirs = Lime(
        net,
        interpretable_model=SkLearnRidge(alpha=1.0),
        perturb_func=lambda *_, **__: next(drawn)[None],
        similarity_func=lambda a, b, z, **_: float(near.get(tuple(z[0].bool().tolist()), 1.0)),
    ).attribute(image, target=1, feature_mask=labels[None, None], n_samples=61, perturbations_per_eval=8)
    ours = pl.explain(net, image, member, target=1).raw
    close(ours[:, None].expand_as(theirs), theirs, 1e-3)


# --- Kernel SHAP -----------------------------------------------------------------------------------------------------


def shapley(value, k):
    """Over all orders in which the segments may come."""
    total = torch.zeros(k, dtype=torch.float64)
    for order in permutations(range(k)):
        here = [False] * k
        for segment in order:
            before = value(tuple(here))
            here[segment] = True
            total[segment] += value(tuple(here)) - before
    return total / factorial(k)


@pytest.mark.parametrize("k", range(1, 7))
def test_kernel_shap_is_shapley(k):
    """Of any game, when all coalitions are asked."""
    chance = torch.Generator().manual_seed(k)
    game = {z: float(torch.randn((), generator=chance, dtype=torch.float64)) for z in product((False, True), repeat=k)}
    there, weights = coalitions(k, 2**k, chance)
    assert len(there) == len({tuple(z) for z in there.tolist()}) == 2**k - 2
    answers = torch.tensor([[game[tuple(z)] for z in there.tolist()]], dtype=torch.float64).view(1, -1)
    none, whole = (torch.tensor([game[(end,) * k]], dtype=torch.float64) for end in (False, True))
    close(kernel_shap(there, weights, answers, none, whole)[0], shapley(game.__getitem__, k), 1e-9)


def test_kernel_shap_of_a_network_is_shapley():
    net, labels = small(), rectangles((13, 17), 3)[:, :11].contiguous()  # two columns and a bit: 6 segments
    labels = labels.unique(return_inverse=True)[1]
    image = x(2, (13, 11))
    e = pl.explain(net, image, KernelSHAP(segments=labels, baseline=0.1), ask="probability", target=[1, 2])
    assert int(labels.max()) == 5
    for i, t in enumerate([1, 2]):
        known = {}

        def value(z, i=i, t=t, known=known):
            if z not in known:
                on = torch.tensor(z)[labels]
                known[z] = p_of(net, torch.where(on, image[i], 0.1), t)
            return known[z]

        theirs = shapley(value, 6)
        for k in range(6):
            close(e.raw[i][labels == k].sum(), theirs[k], 1e-4)
        assert float(e.owed[i]) == pytest.approx(value((True,) * 6) - value((False,) * 6), abs=1e-6)


@pytest.mark.parametrize("samples", [1, 7, 50])
def test_kernel_shap_sums_to_what_is_owed(samples):
    """However few are asked, of whatever question and baseline."""
    for ask in ("logit", "probability", "contrast"):
        for baseline in ("0.3", "blur", "segment"):
            e = pl.explain(
                small(), x(), f"kernel-shap:samples={samples},cells=5,baseline={baseline}", ask=ask, target=1
            )
            close(e.raw.sum((1, 2)).float(), e.owed, 1e-5)
    assert pl.explain(small(), x(), "kernel-shap:samples=9,share=false", target=1).owed is None


def test_samples_come_by_the_kernel():
    """Whole sizes where the budget allows, the rest in proportion to its weight, in opposite pairs."""
    k = 12
    mass = torch.tensor([(k - 1) / (s * (k - s)) for s in range(1, k)], dtype=torch.float64)
    for samples in (40, 300, 4000):
        there, weights = coalitions(k, samples, torch.Generator().manual_seed(1))
        assert len(there) <= samples
        assert len(there) >= min(samples, 2**k - 2) - 1
        assert float(weights.sum()) == pytest.approx(1)
        sizes = there.sum(1)
        assert sizes.min() > 0
        assert sizes.max() < k
        if samples == 40:  # too few for a whole size
            continue
        ones = sum(tuple(z) in {tuple(r) for r in there.tolist()} for z in torch.eye(k).bool().tolist())
        assert ones == 12  # all that are alone, which weigh most
        found = torch.stack([weights[sizes == s].sum() for s in range(1, k)])
        assert (found - mass / mass.sum()).abs().max() < 0.04
        drawn = there[weights.isclose(weights[-1])]
        if samples < 4000:  # of the sampled rows each second is the opposite
            assert (drawn[-20:][0::2] == ~drawn[-20:][1::2]).all()


def test_more_samples_come_nearer():
    """And nearer than by captum's way: the ends exact, whole sizes, opposite pairs."""
    chance, k = torch.Generator().manual_seed(2), 10
    pairs, single = torch.randn(k, k, generator=chance, dtype=torch.float64), torch.randn(k, generator=chance).double()
    triples = torch.randn(k, k, k, generator=chance, dtype=torch.float64) / 3

    def game(z):
        z = z.double()
        return z @ single + ((z @ pairs) * z).sum(-1) + torch.einsum("ma,mb,mc,abc->m", z, z, z, triples)

    def told(samples, seed):
        there, weights = coalitions(k, samples, torch.Generator().manual_seed(seed))
        ends = game(torch.stack([torch.zeros(k), torch.ones(k)]))
        return kernel_shap(there, weights, game(there)[None], ends[:1], ends[1:])[0]

    truth = torch.zeros(k, dtype=torch.float64)
    for i in range(k):
        for size in range(k):
            others = [j for j in range(k) if j != i]
            z = torch.zeros(comb(k - 1, size), k)
            for row, chosen in enumerate(combinations(others, size)):
                z[row, list(chosen)] = 1
            with_ = z.clone()
            with_[:, i] = 1
            truth[i] += (game(with_) - game(z)).mean() / k
    close(told(2**k, 0), truth, 1e-9)
    off = [sum(float((told(samples, seed) - truth).norm()) for seed in range(8)) / 8 for samples in (60, 240, 900)]
    assert off[0] > off[1] > off[2]
    plain = []
    for seed in range(8):  # independent draws by size, each with the same weight
        chance = torch.Generator().manual_seed(seed)
        odds = torch.tensor([1 / (s * (k - s)) for s in range(1, k)])
        size = 1 + torch.multinomial(odds, 240, replacement=True, generator=chance)
        there = torch.rand(240, k, generator=chance).argsort(1).argsort(1) < size[:, None]
        ends = game(torch.stack([torch.zeros(k), torch.ones(k)]))
        weights = torch.ones(240, dtype=torch.float64)
        plain.append(float((kernel_shap(there, weights, game(there)[None], ends[:1], ends[1:])[0] - truth).norm()))
    assert off[1] < 0.7 * sum(plain) / 8


@pytest.mark.peer
def test_kernel_shap_of_captum():
    """With many samples, and of the ends nearly: they have a large weight there."""
    net, image, labels = small().float(), x(1).float(), rectangles((13, 17), 3)
    ours = pl.explain(net, image, "kernel-shap:cells=3,share=false", ask="probability", target=1)
    torch.manual_seed(0)
    theirs = KernelShap(lambda y: net(y).softmax(1)).attribute(
        image, target=1, feature_mask=labels[None, None], n_samples=3000, perturbations_per_eval=500
    )
    close(ours.raw[:, None].expand_as(theirs), theirs, 0.05)


# --- what they share -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("explainer", PERTURBING)
def test_questions_and_classes_share_the_forwards(explainer):
    """As many rows as for one of them, in full forwards, none above the batch size."""
    net = small()
    net.asked.clear()
    one = pl.explain(net, x(3), explainer, ask="contrast", target=2, batch_size=16)
    alone = net.rows
    net.asked.clear()
    many = pl.explain(net, x(3), explainer, ask=["logit", "contrast"], target=[[0, 2]] * 3, batch_size=16)
    assert net.rows == alone if "shap" not in explainer else sum(net.rows) <= sum(alone) + 3 * 3  # the owed end
    close(many.maps[:, 1, 1], one.maps, 1e-6)
    assert max(alone) <= 16
    inner = alone[1:-1] if "shap" not in explainer else alone[1:-2]
    assert all(rows == 16 for rows in inner if rows != inner[-1])


@pytest.mark.parametrize("explainer", PERTURBING)
def test_signals(explainer):
    net = small(axes=1)
    signal = torch.randn(2, 3, 40, dtype=torch.float64)
    e = pl.explain(net, signal, explainer, target=[0, 1])
    assert e.maps.shape == (2, 40)
    assert e.maps.isfinite().all()
    assert e.maps.std(1).min() > 0
    alone = pl.explain(net, signal[1:], explainer, target=[1])
    close(alone.maps[0], e.maps[1], 1e-5)


def test_signals_by_hand():
    net, signal = small(axes=1), torch.randn(1, 3, 40, dtype=torch.float64)
    ours = pl.explain(net, signal, "occlusion:window=10,stride=10", target=0).maps[0]
    for first in range(0, 40, 10):
        hidden = signal[0].clone()
        hidden[:, first : first + 10] = 0
        close(ours[first], logit_of(net, signal[0], 0) - logit_of(net, hidden, 0), 1e-5)


@pytest.mark.parametrize("explainer", PERTURBING)
def test_no_gradient_is_asked_for(explainer):
    """Models that cannot give one are explained, too."""
    blind = small(after=lambda y: y.detach().round(decimals=3))
    e = pl.explain(blind, x(), explainer, target=0)
    assert e.maps.abs().max() > 0


def test_what_goes_beside_the_image_goes_with_it():
    """A model of two inputs: each variant of an image is asked with the image's own second input."""

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Small()

        def forward(self, image, scale):
            return self.net(image) * scale[:, None]

    net, scale = Two().double().eval(), torch.tensor([1.0, -2.0], dtype=torch.float64)
    for explainer in PERTURBING:
        together = pl.explain(net, (x(), scale), explainer, ask="logit", target=0, batch_size=5).maps
        plain = pl.explain(net.net, x(), explainer, ask="logit", target=0).maps
        close(together, plain * scale.view(-1, 1, 1).float(), 1e-5)


def test_public_rise_of_a_hand_computed_case():
    masks = torch.tensor([[[1.0, 0.0]], [[0.5, 0.0]]])
    assert rise(torch.tensor([[1.0, 4.0]]), masks).tolist() == [[[2.0, 2.5]]]  # (1 + 2) / 1.5; unseen: the mean


def test_segments_of_another_orientation_are_refused():
    sideways = torch.zeros(8, 6, dtype=torch.long)
    net, image = nn.Sequential(nn.Flatten(), nn.Linear(144, 2)), torch.randn(1, 3, 6, 8)
    with pytest.raises(BadInput, match="give whole numbers"):
        pl.explain(net, image, LIME(segments=sideways, samples=3))
    assert pl.explain(net, image, LIME(segments=sideways.T, samples=3)).maps.shape == (1, 6, 8)


@pytest.mark.parametrize("made", [None, np.zeros((6, 8), int)])
def test_a_segment_function_gives_a_tensor(made):
    net, image = nn.Sequential(nn.Flatten(), nn.Linear(144, 2)), torch.randn(1, 3, 6, 8)
    with pytest.raises(BadInput, match="return a tensor"):
        pl.explain(net, image, LIME(segments=lambda _: made, samples=3))


def test_segments_as_an_array_are_refused_by_name():
    with pytest.raises(BadKnob, match="the knob segments of lime takes"):
        LIME(segments=np.zeros((6, 8), int))
