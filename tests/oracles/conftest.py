import pytest

from tests.oracles.networks import NAMES, network


@pytest.fixture(params=NAMES, scope="module")
def name(request):
    yield request.param
    network.cache_clear()  # four of them are a gigabyte
