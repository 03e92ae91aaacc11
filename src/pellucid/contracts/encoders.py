"""What a text encoder promises: a frozen tower that reads a text alone as it reads it among others, and through which
gradients pass to embeddings and to nothing else.

A member is loaded with its quick knobs; one whose files or packages are not here refuses.
"""

import torch
from torch import Tensor

from pellucid.contracts.case import Refused, sample
from pellucid.errors import BadFile, BadModel, MissingExtra
from pellucid.registry import Named
from pellucid.text import Encoder, Tower
from pellucid.text._base import agrees

TEXTS = ("dog", "a photo of a garden spider", "traffic light", "a dog")
WORDS = sorted({word for text in TEXTS for word in text.split()})  # what a file of vectors needs to have
CLOSE = 1e-5  # of the largest output


def is_frozen(member: type[Named]) -> None:
    """Float32, in evaluation mode whatever a parent says, and nothing to train; loading draws from no global chance."""
    chance = torch.get_rng_state()
    tower = _tower(member)
    tower.texts(TEXTS)
    assert torch.equal(chance, torch.get_rng_state()), "loading or reading draws from the global chance"
    torch.nn.ModuleList([tower]).train()
    awake = [name or "the tower" for name, module in tower.named_modules() if module.training]
    assert not awake, f"{awake[0]} is in training mode behind train()"
    trained = [name for name, p in tower.named_parameters() if p.requires_grad]
    assert not trained, f"{trained[0]} requires a gradient"
    wide = [name for name, p in tower.named_parameters() if p.dtype != torch.float32]
    assert not wide, f"{wide[0]} is not float32"


def sizes_are_true(member: type[Named]) -> None:
    """`width`, `out` and `limit` are those of what it takes and gives; a longer text loses its end."""
    tower = _tower(member)
    one = tower.embed(torch.tensor([tower.pad]))
    assert one.shape == (1, tower.width), f"an embedding has shape {tuple(one.shape)}, and width says {tower.width}"
    outputs = tower.read(one.expand(1, tower.limit, -1), torch.tensor([tower.limit]))
    assert outputs.shape == (1, tower.limit, tower.out), (
        f"{tower.limit} positions give {tuple(outputs.shape)}, and out says {tower.out}"
    )
    few = tower.texts(TEXTS)
    assert few.shape == (len(TEXTS), tower.out), f"the vectors of {len(TEXTS)} texts are {tuple(few.shape)}"
    assert tower.texts([]).shape == (0, tower.out), "no texts have no vectors"
    long = tower.texts(["dog " * 2 * tower.limit])
    assert bool(long.isfinite().all()), "the vector of a text beyond the limit is not finite"


def one_vector_a_text(member: type[Named]) -> None:
    """The same for the same text, alone or among others; another for another, where it has anything to say."""
    tower = _tower(member)
    whole = tower.texts(TEXTS)
    assert bool(whole.isfinite().all()), "a vector is not finite"
    assert torch.equal(whole, tower.texts(TEXTS)), "the same texts have other vectors the second time"
    _close(whole, torch.cat([tower.texts([text]) for text in TEXTS]), "vectors of texts alone and among others")
    _close(whole.flip(0), tower.texts(TEXTS[::-1]), "vectors of texts in another order")
    alike = bool(torch.equal(whole[0], whole[2]))
    speaks = type(sample(member)).speaks  # type: ignore[attr-defined]
    assert alike != speaks, "two texts have one vector" if speaks else "it says something, and `speaks` denies it"


def tokens_are_bare(member: type[Named]) -> None:
    """The same for the same text, without what stands before and behind it; none for no text."""
    tower = _tower(member)
    for text in TEXTS:
        ids = tower.tokens(text)
        assert ids == tower.tokens(text), f"{text!r} has other tokens the second time"
        assert ids, f"{text!r} has no tokens"
        assert not {*tower.start, *tower.stop} & set(ids), f"the tokens of {text!r} hold its start or stop"
    assert not tower.tokens(""), "the empty text has tokens"


def padding_has_no_say(member: type[Named]) -> None:
    """Whatever stands behind the end of a row."""
    tower = _tower(member)
    embeddings, lengths = _rows(tower)
    noise = torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(2))
    inside = torch.arange(embeddings.shape[1]) < lengths[:, None]
    other = torch.where(inside[:, :, None], embeddings, noise)
    with torch.no_grad():
        first, second = (tower.read(rows, lengths)[inside] for rows in (embeddings, other))
    _close(first, second, "outputs before two kinds of padding")


def gradients_reach_the_embeddings(member: type[Named]) -> None:
    """All of a text and none of the padding; no weight."""
    tower = _tower(member)
    embeddings, lengths = _rows(tower)
    embeddings = embeddings.detach().requires_grad_()
    outputs = tower.read(embeddings, lengths)
    inside = torch.arange(embeddings.shape[1]) < lengths[:, None]
    ways = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(3))
    (outputs * ways)[inside].sum().backward()
    gradient = embeddings.grad
    assert gradient is not None, "the embeddings have no gradient"
    assert bool(gradient.isfinite().all()), "the gradient of the embeddings is not finite"
    assert tower.width == 0 or bool(gradient[inside].any(1).all()), "an embedding of the text has no gradient"
    assert not bool(gradient[~inside].any()), "padding has a gradient"
    assert all(p.grad is None for p in tower.parameters()), "a weight of the tower has a gradient"


def causal_means_causal(member: type[Named]) -> None:
    """With `causal` no position sees a later one; with `branches` the short way is the plain one."""
    tower = _tower(member)
    assert not tower.branches or agrees(tower), "`branch` and `read` differ"
    if not tower.causal:
        return
    embeddings, lengths = _rows(tower)
    other = embeddings.clone()
    other[:, 2:] *= -1
    with torch.no_grad():
        _close(tower.read(embeddings, lengths)[:, :2], tower.read(other, lengths)[:, :2], "outputs before a change")


def loads_twice_the_same(member: type[Named]) -> None:
    """A tower of one's own each time, with the same to say."""
    first, second = _tower(member), _tower(member)
    assert first is not second, "two callers are given one tower"
    mine = {p.data_ptr() for p in first.parameters()}
    assert not mine & {p.data_ptr() for p in second.parameters()}, "two callers are given the same weights"
    assert [first.tokens(text) for text in TEXTS] == [second.tokens(text) for text in TEXTS], "the tokens differ"
    assert torch.equal(first.texts(TEXTS), second.texts(TEXTS)), "two towers give one text two vectors"


CHECKS = (
    is_frozen,
    sizes_are_true,
    one_vector_a_text,
    tokens_are_bare,
    padding_has_no_say,
    gradients_reach_the_embeddings,
    causal_means_causal,
    loads_twice_the_same,
)


def _tower(member: type[Named]) -> Tower:
    """A new tower, or Refused."""
    encoder = sample(member)
    assert isinstance(encoder, Encoder)
    try:
        return encoder.load()
    except (BadFile, BadModel, MissingExtra) as cause:
        raise Refused(str(cause)) from None


def _rows(tower: Tower) -> tuple[Tensor, Tensor]:
    """Embeddings [u, l, width] of the texts, padded, and their lengths."""
    rows = [[*tower.start, *tower.tokens(text), *tower.stop] for text in TEXTS]
    longest = tower.limit if tower.fixed else max(map(len, rows)) + 2
    ids = torch.tensor([[*row, *[tower.pad] * (longest - len(row))] for row in rows])
    return tower.embed(ids).detach().clone(), torch.tensor([len(row) for row in rows])


def _close(a: Tensor, b: Tensor, what: str) -> None:
    off = _largest(a - b) / max(_largest(a), 1e-12)
    assert off <= CLOSE, f"{what} differ by {off:.2g} of the largest value"


def _largest(x: Tensor) -> float:
    """0 where there is no number."""
    return float(x.abs().max()) if x.numel() else 0.0
