"""Stacked capsules against slow, obvious twins, and what the published form of them does to explanations."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

import pellucid as pl
from pellucid.errors import BadInput, BadKnob, BadModel
from pellucid.networks import SCAE, TinyCNN
from pellucid.networks._capsules import (
    affine,
    image_likelihood,
    inverse,
    painted,
    part_likelihood,
    shares,
    shares_on_the_wrong_axis,
    softly_painted,
    warp,
)
from pellucid.networks._sets import Attend, SetTransformer
from pellucid.objectives._step import chance
from pellucid.objectives.scae import entropy, posterior, prior, published_posterior
from pellucid.registry import catalog
from pellucid.training.recipes import ScaeMnist

SMALL = {"parts": 5, "objects": 4, "width": 8, "template": 5, "special": 4}
DOUBLE = torch.float64
Objective = catalog("objectives")["scae"]
BLOCKS = {"presence": slice(0, 1), "pose": slice(1, 7), "template": slice(7, 128), "special": slice(128, 144)}


def network(seed=0, **knobs):
    torch.manual_seed(seed)
    return SCAE(**knobs).build().eval()


def pictures(n=3, seed=1, side=28):
    """Strokes: a few bright pixels on black."""
    drawn = torch.rand(n, 1, side, side, generator=torch.Generator().manual_seed(seed))
    return (drawn > 0.8) * drawn


def some(*shape, seed=2):
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def between(*shape, seed=3):
    return torch.rand(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed)) * 0.8 + 0.1


# --- the size of it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["sound", "published"])
def test_parameters_and_representation(protocol):
    net = network(protocol=protocol)
    assert sum(p.numel() for p in net.encoder.parameters()) == 521_240
    assert sum(p.numel() for p in net.decoder.parameters()) == 98_042
    assert net.encoder.templates.numel() == 2_904
    assert net(pictures()).shape == (3, 3456)
    assert net.presences(pictures()).shape == (3, 24)


def test_the_layers_give_maps_of_13_6_4_and_2():
    x, sides = pictures(), []
    for layer in network().encoder.trunk:
        x = layer(x)
        sides.append(x.shape[-1])
    assert sides[::2] == [13, 6, 4, 2]


def test_more_parts_than_objects():
    net = network(**SMALL)
    assert net(pictures()).shape == (3, 5 * (1 + 6 + 25 + 4))
    assert network(**SMALL, templates=False)(pictures()).shape == (3, 5 * 11)
    said = net.said(pictures())
    assert said.shares.shape == (3, 4, 5)
    assert network(**(SMALL | {"parts": 4}), protocol="published").said(pictures()).shares.shape == (3, 4, 4)


def test_as_published_there_are_as_many_objects_as_parts():
    with pytest.raises(BadKnob, match="as many objects as parts"):
        SCAE(objects=10, protocol="published")
    presence, parts = between(2, 10), between(2, 10, 24)
    with pytest.raises((RuntimeError, TypeError)):  # in use a shape that does not broadcast, in tests the signature
        shares_on_the_wrong_axis(presence, parts)


def test_other_pictures_are_refused():
    net = network(**SMALL)
    for x in (torch.zeros(1, 3, 28, 28), torch.zeros(1, 1, 22, 28), torch.zeros(1, 28, 28)):
        with pytest.raises(BadInput, match="give grey ones"):
            net.parts(x)
    assert net(torch.zeros(1, 1, 23, 40)).shape == (1, 180)
    assert net.reconstruct(torch.zeros(1, 1, 23, 40)).shape == (1, 1, 23, 40)


# --- what is explained ------------------------------------------------------------------------------------------------


def block_gradients(net):
    """The length of the input's gradient through each block of the representation."""
    found = {}
    for name, block in BLOCKS.items():
        x = pictures().requires_grad_()
        told = net(x).unflatten(1, (24, 144))[..., block].square().sum()
        found[name] = torch.autograd.grad(told, x, allow_unused=True)[0] if told.requires_grad else None
    return {name: 0.0 if g is None else float(g.norm()) for name, g in found.items()}


def test_sound_every_block_has_a_gradient():
    assert all(length > 1e-6 for length in block_gradients(network()).values())


def test_published_only_special_features_have_a_gradient():
    found = block_gradients(network(protocol="published"))
    assert found["presence"] == found["pose"] == found["template"] == 0
    assert found["special"] > 1e-6


def test_published_evaluation_is_a_throw_of_dice():
    net, x = network(protocol="published"), pictures()
    apart = (net(x) - net(x)).unflatten(1, (24, 144)).abs()
    assert 0.5 < float(apart[..., 0].detach().max()) <= math.tanh(1) + 0.01  # sigmoid(2) − sigmoid(−2) is the most
    assert not apart[..., 1:].any()
    sound = network()
    assert torch.equal(sound(x), sound(x))
    assert torch.equal(sound.train()(x), sound.eval()(x))


def test_published_templates_are_the_same_for_every_picture_and_most_of_the_length():
    told = network(protocol="published")(pictures()).detach().unflatten(1, (24, 144))
    ink = told[..., BLOCKS["template"]]
    assert torch.equal(ink[0], ink[1])
    assert float(ink.square().sum() / told.square().sum()) > 0.99
    whole = network()(pictures()).detach().unflatten(1, (24, 144))
    sound = whole[..., BLOCKS["template"]]
    assert not torch.equal(sound[0], sound[1])
    assert float(sound.square().sum() / whole.square().sum()) < 0.6


def completeness(net, x, ground):
    """How far the map's sum is from ‖f(x)‖² − ⟨f(x), f(black)⟩, as a share of it."""
    e = pl.explain(net, x, "integrated-gradients:steps=100", ask="similarity")
    due = (ground[0] * (ground[0] - ground[1])).sum(1)
    return float(((e.raw.flatten(1).sum(1) - due).abs() / due.abs()).detach().max())


def test_integrated_gradients_are_complete_for_the_sound_representation_only():
    x, net = pictures(2), network(width=16)
    with torch.no_grad():
        assert completeness(net, x, (net(x), net(torch.zeros_like(x)))) < 0.02
        published = network(width=16, protocol="published")
        assert completeness(published, x, (published(x), published(torch.zeros_like(x)))) > 0.5


# --- poses and canvases -----------------------------------------------------------------------------------------------


def affine_told(pose):
    """Scale and shear after a turn, in scalars."""
    sx, sy = (1 / (1 + math.exp(-v)) + 0.01 for v in pose[:2])
    angle, shear = 2 * math.pi * pose[2], math.tanh(5 * pose[3])
    turn = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    scale = [[sx, shear * sy], [0, sy]]
    rows = [[sum(scale[i][j] * turn[j][k] for j in range(2)) for k in range(2)] for i in range(2)]
    return [[*rows[i], math.tanh(5 * pose[4 + i])] for i in range(2)]


@given(st.lists(st.floats(-2, 2), min_size=6, max_size=6))
@settings(max_examples=50, deadline=None)
def test_an_affine_map_and_its_inverse(pose):
    matrix = affine(torch.tensor(pose, dtype=DOUBLE))
    torch.testing.assert_close(matrix, torch.tensor(affine_told(pose), dtype=DOUBLE))
    square = torch.cat([matrix, torch.tensor([[0.0, 0.0, 1.0]], dtype=DOUBLE)])
    torch.testing.assert_close(inverse(matrix), square.inverse()[:2], rtol=1e-6, atol=1e-8)


def test_no_pose_is_half_the_size():
    torch.testing.assert_close(affine(torch.zeros(6)), 0.51 * torch.eye(2, 3))


def warp_told(template, matrix, size):
    """Pixel by pixel: where it is, where that is in the template, and the four values around."""
    (height, width), (rows, columns) = size, template.shape
    out = torch.zeros(size, dtype=DOUBLE)
    for i in range(height):
        for j in range(width):
            x, y = (2 * j + 1) / width - 1, (2 * i + 1) / height - 1
            u, v = (float(matrix[k, 0] * x + matrix[k, 1] * y + matrix[k, 2]) for k in range(2))
            column, row = ((u + 1) * columns - 1) / 2, ((v + 1) * rows - 1) / 2
            left, top = math.floor(column), math.floor(row)
            for r in (top, top + 1):
                for c in (left, left + 1):
                    if 0 <= r < rows and 0 <= c < columns:
                        out[i, j] += template[r, c] * (1 - abs(row - r)) * (1 - abs(column - c))
    return out


def test_a_warp_is_bilinear_reading():
    templates, matrix = some(2, 4, 4), affine(0.5 * some(3, 2, 6, seed=4))
    found = warp(templates, matrix, (6, 7))
    told = [[warp_told(templates[m], matrix[n, m], (6, 7)) for m in range(2)] for n in range(3)]
    torch.testing.assert_close(found, torch.stack([torch.stack(row) for row in told]))


def test_sound_poses_put_the_part_where_they_say():
    """A part of half the size, moved right: its ink is in the right half, and no larger than that."""
    net = network(**SMALL)
    with torch.no_grad():
        net.encoder.templates.fill_(10.0)
    parts = net.parts(pictures(1))
    pose = torch.tensor([[0.5, 0.0, 0.5], [0.0, 0.5, 0.0]]).flatten().expand(1, 5, 6)
    ink = net.encoder.canvas(parts._replace(pose=pose), (28, 28))[0, 0].detach()
    assert float(ink[8:20, 15:27].min()) > 0.99
    assert float(ink[:, :13].max()) == 0
    assert float(ink.sum()) == pytest.approx(14 * 14, rel=0.1)


def test_published_poses_show_a_part_larger_than_the_picture():
    """A scale of a half as the canvas reads by it: it sees the middle half of the template."""
    net = network(**(SMALL | {"parts": 4}), protocol="published")
    with torch.no_grad():
        net.encoder.templates.fill_(1.0)
    parts = net.parts(pictures(1))
    ink = net.encoder.canvas(parts._replace(pose=torch.zeros(1, 4, 6)), (28, 28))
    assert bool((ink > 0.999).all())
    assert bool((parts.pose >= 0).all())


# --- likelihoods ------------------------------------------------------------------------------------------------------


def normal(x, mean, sigma):
    return math.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))


def image_told(x, ink, presence, sigma, protocol):
    """The log-likelihood of one picture, and its mean, by loops."""
    total, mean = 0.0, torch.zeros_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            here = [float(v) for v in ink[:, i, j]]
            if protocol == "sound":
                pull = [float(d) * v for d, v in zip(presence, here)] + [0.1]
                here = [*here, 0.0]
            else:
                pull = [math.exp(float(d) * v) for d, v in zip(presence, here)]
            weights = [p / sum(pull) for p in pull]
            total += math.log(sum(w * normal(float(x[i, j]), v, sigma) for w, v in zip(weights, here)) + 1e-6)
            mean[i, j] = sum(w * v for w, v in zip(weights, here))
    return total, mean


@pytest.mark.parametrize("protocol", ["sound", "published"])
def test_the_image_likelihood(protocol):
    x, ink, presence, spread = between(2, 4, 5), between(2, 3, 4, 5, seed=5), between(2, 3, seed=6), between(2, seed=7)
    means, weights = {"sound": painted, "published": softly_painted}[protocol](presence, ink)
    found = image_likelihood(x, means, weights, spread)
    for n in range(2):
        told, mean = image_told(x[n], ink[n], presence[n], float(spread[n]), protocol)
        assert float(found[n]) == pytest.approx(told)
        torch.testing.assert_close((means * weights).sum(1)[n], mean)


def part_told(poses, votes, variance, presence, parts, divided_by):
    """The log-likelihood of every part of one picture, and who explains it."""
    objects, count = parts.shape
    likely, whose = [], torch.zeros(objects, count, dtype=DOUBLE)
    for m in range(count):
        joint = []
        for k in range(objects):
            weight = float(presence[k] / presence.sum() * parts[k, m] / parts[k if divided_by == "object" else m].sum())
            density = math.prod(
                normal(float(poses[m, i]), float(votes[k, m, i]), math.sqrt(float(variance[k, m]))) for i in range(6)
            )
            joint.append(weight * density)
        likely.append(math.log(sum(joint)))
        whose[:, m] = torch.tensor(joint, dtype=DOUBLE) / sum(joint)
    return torch.tensor(likely, dtype=DOUBLE), whose


@pytest.mark.parametrize("k, m, divided_by", [(3, 5, "object"), (4, 4, "object"), (4, 4, "part")])
def test_the_part_likelihood(k, m, divided_by):
    poses, votes, variance = some(2, m, 6), some(2, k, m, 6, seed=8), between(2, k, m)
    presence, parts = between(2, k, seed=9), between(2, k, m, seed=10)
    share = shares if divided_by == "object" else shares_on_the_wrong_axis
    likely, whose = part_likelihood(poses, votes, variance, share(presence, parts))
    for n in range(2):
        told = part_told(poses[n], votes[n], variance[n], presence[n], parts[n], divided_by)
        torch.testing.assert_close(likely[n], told[0], rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(whose[n], told[1], rtol=1e-6, atol=1e-6)


def test_weights_are_shares_on_the_right_axis_only():
    presence, parts = between(2, 4), between(2, 4, 4, seed=11)
    parts[:, 0] *= 5  # an object that expects much
    torch.testing.assert_close(shares(presence, parts).sum((1, 2)), torch.ones(2, dtype=DOUBLE))
    wrong = shares_on_the_wrong_axis(presence, parts).sum((1, 2))
    assert float((wrong - 1).abs().min()) > 0.2


def votes_told(viewed, inside):
    """Matrix by matrix."""
    made = [[(viewed[k] @ inside[k, m]).flatten()[:6] for m in range(inside.shape[1])] for k in range(len(viewed))]
    return torch.stack([torch.stack(row) for row in made])


@pytest.mark.parametrize("protocol", ["sound", "published"])
def test_votes_are_products_of_matrices(protocol):
    net = network(**(SMALL | {"parts": 4}), protocol=protocol)
    tokens = net.tokens(net.parts(pictures()))
    told = net.decoder.sets(tokens)
    viewed = told[..., :9].unflatten(2, (3, 3))
    viewed = viewed.relu() if protocol == "published" else viewed
    found = net.decoder(tokens, lambda logit: logit)
    for n in range(3):
        torch.testing.assert_close(found.votes[n], votes_told(viewed[n], net.decoder.inside))
    for k in range(4):  # each object has a network of its own
        first, second = net.decoder.expect[0], net.decoder.expect[2]
        hidden = (told[:, k, 9:-1].relu() @ first.weight[k] + first.bias[k]).relu()
        torch.testing.assert_close(found.parts[:, k], (hidden @ second.weight[k] + second.bias[k])[:, :4].sigmoid())


def test_presences_are_shares_of_the_parts_that_are_there():
    net, x = network(**SMALL).requires_grad_(False), pictures()
    parts = net.parts(x)
    torch.testing.assert_close(net.presences(x).sum(1), parts.presence.sum(1))
    objects = net.objects(parts)
    for n in range(3):
        given_ = (t[n].double() for t in (parts.pose, objects.votes, objects.variance, objects.presence, objects.parts))
        whose = part_told(*given_, "object")[1].float()
        torch.testing.assert_close(net.presences(x)[n], whose @ parts.presence[n], rtol=1e-3, atol=1e-4)


# --- sets -------------------------------------------------------------------------------------------------------------


def test_attention_by_loops():
    torch.manual_seed(0)
    block = Attend(3, 4, 5).double()
    asked, seen = some(1, 2, 3), some(1, 6, 4, seed=12)
    found = block(asked, seen)[0]
    for i in range(2):
        query = block.query(asked[0, i])
        pulls = torch.stack([query @ block.key(seen[0, j]) / math.sqrt(5) for j in range(6)]).softmax(0)
        mixed = block.norm(query + sum(pulls[j] * block.value(seen[0, j]) for j in range(6)))
        torch.testing.assert_close(found[i], block.last(mixed + block.mix(mixed).relu()))


def test_the_order_of_a_set_has_no_say():
    torch.manual_seed(0)
    net = SetTransformer(7, 3, seeds=4, width=8, points=5).double()
    x, order = some(2, 9, 7), torch.randperm(9)
    torch.testing.assert_close(net(x), net(x[:, order]))
    torch.testing.assert_close(net[0](x)[:, order], net[0](x[:, order]))  # what is said of an element stays with it
    assert bool(((net(x) - net(x * (1 + 0.1 * some(2, 9, 1)))).abs() > 1e-6).any())


def test_objects_do_not_hear_the_order_of_parts():
    net = network(**SMALL).double()
    tokens, order = some(2, 5, 36), torch.randperm(5)
    here, there = (net.decoder(x, lambda logit: logit) for x in (tokens, tokens[:, order]))
    torch.testing.assert_close(here.presence, there.presence)
    torch.testing.assert_close(here.parts, there.parts)


# --- gradients --------------------------------------------------------------------------------------------------------


def test_gradients_of_the_formulas():
    pose, templates = (0.3 * some(2, 2, 6)).requires_grad_(), some(2, 3, 3).requires_grad_()
    assert gradcheck(lambda p, t: warp(t, inverse(affine(p)), (4, 5)), (pose, templates))
    x, ink = between(2, 3, 4), between(2, 2, 3, 4, seed=13).requires_grad_()
    presence, spread = between(2, 2, seed=14).requires_grad_(), between(2, seed=15)
    for paint in (painted, softly_painted):
        assert gradcheck(lambda d, t, paint=paint: image_likelihood(x, *paint(d, t), spread), (presence, ink))
    given_ = (some(2, 3, 6), some(2, 2, 3, 6, seed=16), between(2, 2, 3, seed=17), between(2, 2), between(2, 2, 3))
    leaves = tuple(g.requires_grad_() for g in given_)
    assert gradcheck(lambda p, v, s, a, b: part_likelihood(p, v, s, shares(a, b)), leaves)
    mass = between(3, 4).requires_grad_()
    assert gradcheck(lambda a: prior(a, 0.4, 0.3), (mass,))
    assert gradcheck(posterior, (mass,))
    assert gradcheck(published_posterior, (mass,))


def test_the_gradient_of_the_representation():
    net = network(**SMALL).double()
    x = (pictures(1, side=23).double() + 0.01).requires_grad_()
    cotangent = net(x).detach()
    (gradient,) = torch.autograd.grad((net(x) * cotangent).sum(), x)
    direction = some(1, 1, 23, 23)
    with torch.no_grad():
        ahead, behind = ((net(x + s * 1e-6 * direction) * cotangent).sum() for s in (1, -1))
    assert float((gradient * direction).sum()) == pytest.approx(float(ahead - behind) / 2e-6, rel=1e-4)


# --- the objective ----------------------------------------------------------------------------------------------------


def entropy_told(values):
    return -sum(v * math.log(v) for v in values if v > 0)


def test_prior_and_posterior_by_loops():
    mass = between(5, 3)
    rows, columns = mass.tolist(), mass.T.tolist()
    told = sum((sum(r) - 0.7) ** 2 for r in rows) / 5 + sum((sum(c) - 1.3) ** 2 for c in columns) / 3
    assert float(prior(mass, 0.7, 1.3)) == pytest.approx(told)
    within = sum(entropy_told([v / sum(r) for v in r]) for r in rows) / 5
    every = entropy_told([sum(c) / float(mass.sum()) for c in columns])
    assert float(posterior(mass)) == pytest.approx(within - every, abs=1e-6)

    def softened(values):
        return [math.exp(v) / sum(map(math.exp, values)) for v in values]

    told = sum(entropy_told(softened(c)) for c in columns) / 3 - sum(entropy_told(softened(r)) for r in rows) / 5
    assert float(published_posterior(mass)) == pytest.approx(told)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_the_posterior_is_minus_the_mutual_information_of_pictures_alike_in_mass(n, k, seed):
    mass = between(n, k, seed=seed)
    joint = mass / mass.sum(1, keepdim=True) / n
    independent = joint.sum(0, keepdim=True) * joint.sum(1, keepdim=True)
    information = float((joint * (joint / independent).log()).sum())
    assert float(posterior(mass / mass.sum(1, keepdim=True))) == pytest.approx(-information, abs=1e-6)
    assert information >= -1e-9


def test_the_signs_of_the_posterior():
    """Digits that are told apart are better than digits that are not; as published they are worse."""
    apart, alike = 5 * torch.eye(4).repeat(2, 1), torch.full((8, 4), 1.25)
    assert float(posterior(apart)) == pytest.approx(-math.log(4), abs=1e-4)
    assert float(posterior(alike)) == pytest.approx(0, abs=1e-4)
    lone = 5 * torch.eye(4)[[0] * 8]  # one object for all: of no use either
    assert float(posterior(lone)) == pytest.approx(0, abs=1e-4)
    every_object_at_once = torch.zeros(8, 4)
    every_object_at_once[0] = 5.0  # one picture has all of the objects, the others none
    assert float(published_posterior(every_object_at_once)) < float(published_posterior(apart))
    assert float(entropy(torch.tensor([0.5, 0.5, 0.0]))) == pytest.approx(math.log(2))


def bound(net, **knobs):
    return Objective(**knobs).bind(net, images=pictures())


def dice():
    """What an objective of seed 0 adds outside training, where it adds something: for each kind of presence its own."""
    calls = iter(range(1, 4))

    def jitter(logit):
        generator = chance(0, -1, f"scae {next(calls)}")
        return logit + 4 * torch.rand(logit.shape, generator=generator) - 2

    return jitter


@pytest.mark.parametrize("protocol", ["sound", "published"])
def test_the_terms_are_those_formulas(protocol):
    net = network(**(SMALL | {"parts": 4}), protocol=protocol)
    x = pictures(6)
    with torch.no_grad():
        loss, terms = (objective := bound(net, protocol=protocol, classes=3).eval())((x, torch.zeros(6)))
        said = net.said(x, dice() if protocol == "published" else None)
        ink = net.encoder.canvas(said.parts, (28, 28))
    present, spread = said.parts.presence, x.flatten(1).std(1)
    told = [image_told(x[n, 0], ink[n], present[n], float(spread[n]), protocol)[0] for n in range(6)]
    assert float(terms["image_likelihood"]) == pytest.approx(sum(told) / 6, rel=1e-4)
    each, whose = part_likelihood(said.parts.pose, said.objects.votes, said.objects.variance, said.shares)
    assert float(terms["part_likelihood"]) == pytest.approx(float((each * present).sum(1).mean()), rel=1e-4)
    surely = said.objects.presence * said.objects.parts.amax(2)
    pictures_each = 2.0 if protocol == "sound" else 12.8
    assert float(terms["prior"]) == pytest.approx(float(prior(surely, 4 / 3, pictures_each)), rel=1e-4)
    of_masses = posterior if protocol == "sound" else published_posterior
    due = float(of_masses((whose * present[:, None]).sum(2)))
    assert float(terms["posterior"]) == pytest.approx(due, abs=1e-5)
    total = -terms["image_likelihood"] - terms["part_likelihood"] + terms["prior"] + 10 * terms["posterior"]
    assert float(loss) == pytest.approx(float(total), rel=1e-5)
    mse = (said.means * said.weights).sum(1, keepdim=True).sub(x).square().mean()
    assert float(objective.watch["mse"]) == pytest.approx(float(mse), rel=1e-4)


def test_published_batches_are_all_of_128():
    """The prior wants 12.8 pictures for each object, also where there are six."""
    net = network(**(SMALL | {"parts": 4}))
    found = [
        float(bound(net, protocol=p).eval()((pictures(6), torch.zeros(6)))[1]["prior"]) for p in ("published", "sound")
    ]
    assert found[0] > 100 > found[1]


def test_objects_do_not_move_what_they_explain():
    """The pose and presence of a part have no gradient where they are explained, but by what the objects are told."""
    net = network(**SMALL)
    objective = bound(net)
    net.tokens = lambda parts: torch.zeros(len(parts.pose), 5, 36)
    step = objective._step((pictures(), torch.zeros(3)))
    part = objective.parts["scae"](step)["part_likelihood"]
    trunk = [*net.encoder.trunk.parameters(), *net.encoder.head.parameters()]
    assert all(g is None for g in torch.autograd.grad(part, trunk, allow_unused=True))


def test_noise_is_of_the_step_and_not_of_the_forward():
    net = network(**SMALL)
    objective = bound(net)
    first, second = (float(objective((pictures(), torch.zeros(3)))[0].detach()) for _ in range(2))
    assert first != second
    objective.eval()
    still = [float(objective((pictures(), torch.zeros(3)))[0].detach()) for _ in range(2)]
    assert still[0] == still[1]


def test_another_network_is_refused():
    with pytest.raises(BadModel, match="said"):
        Objective().bind(TinyCNN(channels=1).build(), images=pictures())


# --- learning ---------------------------------------------------------------------------------------------------------


def test_the_loss_falls():
    """Small digits, enlarged; a small network in thirty steps."""
    recipe = ScaeMnist(batch=16)
    digits = pl.data.Dataset.make("digits")
    x = torch.nn.functional.interpolate(digits.images(slice(0, 480)).float() / 255, (28, 28), mode="bilinear")
    net = network(**SMALL).train()
    objective = bound(net)
    optimiser = torch.optim.Adam(net.parameters(), recipe.lr)
    losses = []
    for batch in x.split(recipe.batch):
        loss, _ = objective((batch, torch.zeros(len(batch))))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])


def presences(net, x):
    with torch.no_grad():
        return torch.cat([net.presences(some) for some in x.split(500)])


@pytest.mark.data
@pytest.mark.slow
def test_digits_are_painted_and_told_apart(data):
    """The recipe: half the squared error of the mean digit, and which objects are there names more digits than the 75 %
    of an untrained network."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = (f"mnist:root={data}/mnist,split={split}" for split in ("train", "test"))
    net = pl.fit(None, train, recipe="scae-mnist").model
    (x, y), (t, u) = ((d.images().float() / 255, d.labels()) for d in map(pl.data.Dataset.make, (train, test)))
    with torch.no_grad():
        given_ = torch.cat([net.reconstruct(some) for some in t.split(500)])
    assert float((given_ - t).square().mean()) <= 0.5 * float((x.mean(0) - t).square().mean())
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    probe.fit(presences(net, x[:10_000]).numpy(), y[:10_000].numpy())
    assert probe.score(presences(net, t).numpy(), u.numpy()) >= 0.85
