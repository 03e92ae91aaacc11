"""The contracts catch what they are there for: one planted defect each."""

import pytest
import torch

from pellucid.contracts import explainers as contract
from pellucid.contracts.case import Case
from pellucid.explainers import Explainer
from pellucid.explainers.grad_cam import grad_cam
from pellucid.explainers.input_x_gradient import InputXGradient
from pellucid.questions import Question


class Sound(Explainer, name="sound"):
    linear = True

    def attribute(self, subject, images, score):
        return images * subject.gradient(images, score)


class LeakedHook(Explainer, name="leaked-hook"):
    def attribute(self, subject, images, score):
        seen = []
        subject.model.features.register_forward_hook(lambda m, i, o: seen.append(o))
        return images * subject.gradient(images, score)


class BatchMaximum(Explainer, name="batch-maximum"):
    def attribute(self, subject, images, score):
        gradient = subject.gradient(images, score)
        return gradient / gradient.abs().max()


class StrayBackward(Explainer, name="stray-backward"):
    trainable = False

    def attribute(self, subject, images, score):
        leaf = images.detach().requires_grad_()
        (score.cotangent(subject(leaf)) * subject(leaf)).sum().backward()
        return leaf.grad


class GlobalChance(Explainer, name="global-chance"):
    def attribute(self, subject, images, score):
        return subject.gradient(images + 0.1 * torch.randn(images.shape).to(images), score)


class LeftInChannel(Explainer, name="left-in-channel"):
    def attribute(self, subject, images, score):
        return subject.gradient(images, score).sum(1, keepdim=True)


class ReLUUnderLinear(Explainer, name="relu-under-linear"):
    linear = True

    def attribute(self, subject, images, score):
        return grad_cam(*subject.look(images, score)).relu()


class SpoiltImages(Explainer, name="spoilt-images"):
    def attribute(self, subject, images, score):
        gradient = subject.gradient(images, score)
        return images.mul_(gradient)


class MovedStatistics(Explainer, name="moved-statistics"):
    def attribute(self, subject, images, score):
        subject.model.train()
        return subject.gradient(images.clone(), score)


class CutGraph(Explainer, name="cut-graph"):
    def attribute(self, subject, images, score):
        return images * subject.gradient(images, score).detach()


class DeafToTheQuestion(Explainer, name="deaf-to-the-question"):
    trainable = False

    def attribute(self, subject, images, score):
        output = subject.forward(images, None).output
        return InputXGradient().attribute(subject, images, Question.make("logit").bind(output, None, subject))


class TooManyRows(Explainer, name="too-many-rows"):
    trainable = False

    def attribute(self, subject, images, score):
        with torch.no_grad():
            subject(torch.cat([images] * 8))
        return subject.gradient(images, score)


class NotFinite(Explainer, name="not-finite"):
    def attribute(self, subject, images, score):
        g = subject.gradient(images, score)
        return g / (g - g).abs()


class SwallowedError(Explainer, name="swallowed-error"):
    def attribute(self, subject, images, score):
        try:
            return subject.gradient(images + 0.5, score)
        except Exception:
            return images


class Forgetful(Explainer, name="forgetful"):
    """Keeps count between calls."""

    calls = []

    def attribute(self, subject, images, score):
        self.calls.append(1)
        return len(self.calls) * subject.gradient(images, score)


CAUGHT = {
    LeakedHook: "nothing_is_changed",
    BatchMaximum: "a_batch_is_its_images",
    StrayBackward: "nothing_is_changed",
    GlobalChance: "a_batch_is_its_images",
    LeftInChannel: "maps_fit_the_images",
    ReLUUnderLinear: "linear_means_linear",
    SpoiltImages: "nothing_is_changed",
    MovedStatistics: "nothing_is_changed",
    CutGraph: "training_reaches_the_weights",
    DeafToTheQuestion: "the_question_is_heard",
    TooManyRows: "batch_size_bounds_the_rows",
    NotFinite: "maps_fit_the_images",
    SwallowedError: "nothing_is_changed",
    Forgetful: "the_same_call_gives_the_same_answer",
}


def broken(member) -> set[str]:
    """The checks that fail."""
    case = Case(member(), Question.make("logit"), "tiny-cnn")
    failed = set()
    for check in contract.CHECKS:
        try:
            check(case)
        except Exception:
            failed.add(check.__name__)
    return failed


def test_the_sound_one_passes():
    assert not broken(Sound)


@pytest.mark.parametrize("member", CAUGHT, ids=lambda member: member.name)
def test_the_defect_is_caught(member):
    assert CAUGHT[member] in broken(member)
