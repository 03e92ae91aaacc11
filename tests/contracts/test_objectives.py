"""Every objective × tiny network keeps the contract."""

import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.contracts import check_member, objectives
from pellucid.contracts.case import Refused
from pellucid.contracts.objectives import Binding, bindings
from pellucid.objectives import Objective
from pellucid.objectives._base import Part
from pellucid.registry import catalog

MEMBERS = catalog("objectives")
CASES = [case for name in MEMBERS for case in bindings(MEMBERS[name])]
MAY_REFUSE = {("gcc", "tiny-vit")}  # a network for one size of pictures


@pytest.mark.parametrize("check", objectives.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_contract(case: Binding, check):
    try:
        check(case)
    except Refused as refusal:
        if (case.objective.name, case.network) not in MAY_REFUSE:
            pytest.fail(f"{case} refuses: {refusal}")


# --- the contract notices ---------------------------------------------------------------------------------------------


class Broken(Objective, name="broken"):
    """Does one thing that an objective must not do."""

    fault: str = ""

    weights = {"ce": 1.0, "pull": 0.5}

    def build(self, site):
        if self.fault == "changes the model":
            next(site.subject.model.parameters()).data.mul_(2)
        if self.fault == "drops a gradient":
            list(site.subject.model.parameters())[-1].grad = None
        return BrokenPart(self, site)


class BrokenPart(Part):
    """Its second term is the mean square of the outputs, and something more."""

    def __init__(self, objective, site):
        super().__init__(objective, site)
        self.fault, self.steps, self.calls = objective.fault, 0, 0
        self.factor = nn.Parameter(torch.ones(()))
        if self.fault == "keeps the model":
            self.model = site.subject.model

    def forward(self, step):
        output = step.seen(step.images).output
        self.steps += step.training
        pull = (output * self.factor).square().mean()
        if self.fault == "leaves a hook":
            step.subject.model.register_forward_hook(lambda *_: None)
        if self.fault == "lacks a term":
            return {"ce": step.ce()}
        return {"ce": step.ce(), "pull": self.spoiled(pull, output)}

    def spoiled(self, pull, output):
        return {
            "has no gradient": lambda: pull.detach() + 0 * self.factor,
            "trains what has no say": lambda: output.square().mean(),
            "divides by the spread": lambda: pull / output.std(0).mean(),
            "throws global dice": lambda: pull * torch.rand(()),
            "goes on in validation": lambda: pull * self.called(),
            "forgets its steps": lambda: pull * (1 + self.steps),
            "looks at the first": lambda: pull + output[0, 0],
        }.get(self.fault, lambda: pull)()

    def called(self):
        self.calls += 1
        return self.calls


FAULTS = {
    "changes the model": objectives.binding_changes_nothing,
    "drops a gradient": objectives.binding_changes_nothing,
    "lacks a term": objectives.the_loss_is_the_sum_of_its_terms,
    "has no gradient": objectives.every_term_moves_the_model,
    "trains what has no say": objectives.every_term_moves_the_model,
    "divides by the spread": objectives.any_batch_has_a_finite_loss,
    "throws global dice": objectives.seed_and_step_say_it_all,
    "goes on in validation": objectives.seed_and_step_say_it_all,
    "forgets its steps": objectives.a_checkpoint_resumes,
    "looks at the first": objectives.order_is_as_declared,
    "keeps the model": objectives.the_model_stays_plain,
    "leaves a hook": objectives.a_step_leaves_no_trace,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_promise_is_noticed(fault):
    whole, broken = (Binding(Broken(fault=fault), "tiny-cnn") for fault in ("", fault))
    FAULTS[fault](whole)
    with pytest.raises((AssertionError, pl.PellucidError)):
        FAULTS[fault](broken)


def test_strangers_are_checked_the_same():
    outcomes = list(check_member(MEMBERS["ce"]))
    assert {outcome.check for outcome in outcomes} >= {"a checkpoint resumes", "answers"}
    assert {outcome.network for outcome in outcomes} == {"", "tiny-cnn", "tiny-vit"}
    assert all(outcome.passed for outcome in outcomes)
