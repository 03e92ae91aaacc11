"""Every metric keeps the contract."""

import pytest

from pellucid.contracts import metrics
from pellucid.registry import catalog

MEMBERS = catalog("metrics")


@pytest.mark.parametrize("check", metrics.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", MEMBERS)
def test_contract(name, check):
    check(MEMBERS[name])  # none refuses
