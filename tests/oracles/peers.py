"""What the comparisons with other libraries share."""

import cv2
import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.explainers import Explainer
from pellucid.questions import Question
from pellucid.subject import Subject, undisturbed
from tests.oracles.networks import SIDE, network, pictures, tokens_to_map

TARGET = [3, 7]
SIZE = (SIDE, SIDE)


def close(ours, theirs, most=1e-4):
    """Within a part of the largest absolute value."""
    ours, theirs = torch.as_tensor(ours).detach(), torch.as_tensor(theirs).detach()
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= most * theirs.abs().max()
    assert theirs.abs().max() > 0


def raw(name, explainer, **options):
    return pl.explain(network(name), pictures(), explainer, target=TARGET, **options).raw


def layer_of(name):
    """The path that Pellucid picks, and the module."""
    path = Explainer.make(pl.explain(network(name), pictures(), "grad-cam", target=TARGET).explainer).layer
    return path, network(name).get_submodule(path)


def seen(name, path):
    """What a layer gives, with all its tokens, and the gradient of the logit there."""
    subject, net = Subject(network(name)), network(name)
    with undisturbed(net, 0):
        run = subject.forward(pictures(), (path,))
        score = Question.make("logit").bind(run.output, torch.tensor(TARGET), subject.embed)
        return run.leaves[0].detach(), subject.pull(run, [score])[0][0]


def reshape(name):
    return tokens_to_map if name.startswith("vit") else None


def only(*names):
    return pytest.mark.parametrize("name", names, indirect=True, scope="module")


def by_grad_cam(maps, size=SIZE):
    """pytorch-grad-cam's convention: clipped, each map stretched to [0, 1], resized, stretched again."""

    def stretched(m):
        m = m - m.min()
        return m / (1e-7 + m.max())

    made = []
    for one in maps.relu().detach().numpy():
        resized = cv2.resize(np.float32(stretched(one)), size[::-1])
        made.append(stretched(np.maximum(resized, 0)))
    return torch.from_numpy(np.stack(made))
