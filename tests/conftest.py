"""Every shape annotation of the package is enforced while the tests run."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
from jaxtyping import install_import_hook

from tests import typecheck  # noqa: F401  (the hook looks it up by name)

install_import_hook("pellucid", "tests.typecheck.check")

import torch  # noqa: E402


@pytest.fixture(autouse=True)
def _seeded():
    """Chance of the tests themselves."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data():
    """The folder of real data, or a reason to skip."""
    folder = os.environ.get("PELLUCID_DATA")
    if not folder:
        pytest.skip("PELLUCID_DATA is not set: this test looks at real images")
    return folder
