"""Every explainer × question × tiny network keeps the contract."""

import pytest

from pellucid.contracts import explainers
from pellucid.contracts.case import Case, Refused, cases
from pellucid.registry import catalog

MEMBERS = catalog("explainers")
CASES = [case for name in MEMBERS for case in cases(MEMBERS[name])]

# who may refuse what, and on which network; everything else must answer
MAY_REFUSE = {
    ("cam", "tiny-vit"),
    ("cam", "region"),
    ("fullgrad", "tiny-vit"),
    ("guided-backprop", "tiny-vit"),
    ("deconvnet", "tiny-vit"),
    ("guided-grad-cam", "tiny-vit"),
    # no attention
    ("attention-rollout", "tiny-cnn"),
    ("gwar", "tiny-cnn"),
    ("transformer-attribution", "tiny-cnn"),
    ("grad-cam-attention", "tiny-cnn"),
}


@pytest.mark.parametrize("check", explainers.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_contract(case: Case, check):
    try:
        check(case)
    except Refused as refusal:
        if not {(case.explainer.name, case.network), (case.explainer.name, case.question.name)} & MAY_REFUSE:
            pytest.fail(f"{case} refuses: {refusal}")
