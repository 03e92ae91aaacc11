"""Where a colour scale begins, what is printed at its ends, and who had no answer."""

import numpy as np
import pytest
import torch

from pellucid.cli._everything import reasons
from pellucid.show.paragraphs import paragraphs
from pellucid.show.sheet import Column, contact_sheet

RAMP = torch.linspace(0, 1, 64).expand(1, 64, 64)


def drawn(maps, signed=False):
    """The sheet of one explainer without a picture, as pixels."""
    return np.array(contact_sheet([Column("one", "logit", maps, signed)]))


def test_maps_far_above_zero_begin_at_their_least_value(said):
    """The picture is that of the same map without what all its pixels have; only the numbers differ."""
    high = drawn(0.75 + 0.25 * RAMP)
    assert {"0.75", "1"} <= {text for text, _ in said}
    said.clear()
    low = drawn(0.25 * RAMP)
    assert {"0", "0.25"} <= {text for text, _ in said}
    tile = slice(-100, -20)
    assert np.array_equal(high[tile], low[tile])
    assert len(np.unique(high[tile].reshape(-1, 3), axis=0)) > 30


@pytest.mark.parametrize(
    "maps, signed", [(0.25 + 0.75 * RAMP, False), (0.75 + 0.25 * RAMP, True), (torch.full((1, 64, 64), 0.9), False)]
)
def test_others_begin_at_zero(said, maps, signed):
    """Near zero, signed, or all of one value: chance in the last digit is nothing to look at."""
    drawn(maps, signed)
    assert "0" in {text for text, _ in said}


def test_rows_share_their_beginning(said):
    drawn(torch.cat([0.75 + 0.25 * RAMP, 0.8 + 0.1 * RAMP]))
    assert [text for text, _ in said].count("0.75") == 1


def test_thousands_are_written_out(said):
    drawn(1700 * RAMP, signed=True)
    assert {"−1700", "1700"} <= {text for text, _ in said}


def test_one_reason_is_said_once_and_fits(said):
    """Names in lines as wide as the sheet; `said` holds that nothing leaves it."""
    refused = {f"transformer-explainer-{i}": "no attention" for i in range(9)} | {"cam": "no head"}
    paragraphs(reasons(refused, 300), 300)
    texts = [text for text, _ in said if text]
    assert texts.count("no attention") == 1
    assert texts.index("no attention") < texts.index("cam") < texts.index("no head")
    written = " ".join(texts)
    assert all(name in written.replace("- ", "-") for name in refused)
