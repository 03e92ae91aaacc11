"""Every influence keeps the contract."""

import pytest

from pellucid.contracts import influences
from pellucid.registry import catalog

MEMBERS = catalog("influences")


@pytest.mark.parametrize("check", influences.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", MEMBERS)
def test_contract(name, check):
    check(MEMBERS[name])
