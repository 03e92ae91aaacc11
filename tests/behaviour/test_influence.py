"""pl.influence as a user meets it: what may be given, what comes back, and what is left when it is stopped."""

import errno
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import pellucid as pl
from pellucid.cli.main import main
from pellucid.engine import _influence, _pieces
from pellucid.engine._pieces import Pieces
from pellucid.influences import Held, Loss
from pellucid.influences.dknn import DKNN
from pellucid.show.gallery import Group, Shown, Tile, first_of_each, gallery, picture_of, strongest


def x(n, seed=0):
    return torch.randn(n, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


def net(outputs=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, outputs))


class Rebuilds(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(16, 3), nn.Linear(3, 16)

    def forward(self, x):
        return self.encoder(x.flatten(1))

    def reconstruct(self, x):
        return self.decoder(self(x)).view(x.shape)


TRAIN, TEST = x(12), x(5, seed=1)
LABELS = torch.arange(12) % 3


@pytest.fixture
def small(monkeypatch):
    """Many small pieces."""
    monkeypatch.setattr(_influence, "_pieces", lambda member, case, t, n: Pieces(t, n, 2, 5 if member.columns else n))


# --- what may be given ---------------------------------------------------------------------------------------------


def test_tensors_pairs_and_map_style_sources_are_the_same():
    model = net()
    plain = pl.influence(model, TRAIN, TEST)
    assert plain.shape == (5, 12)
    assert plain.dtype == torch.float32
    for train in ((TRAIN, LABELS), [TRAIN, LABELS], list(zip(TRAIN, LABELS.tolist())), Held(TRAIN, LABELS)):
        assert torch.equal(plain, pl.influence(model, train, TEST, "dknn"))
    assert torch.equal(plain, pl.influence(model, TRAIN, TEST, pl.influences.DKNN()))


def test_data_sets_in_text_form():
    model = pl.load_model("pellucid:tiny-cnn:classes=10,channels=1", weights=None)
    train, test = "subset:first=40@digits", "subset:every=300@digits"
    w = pl.influence(model, train, test, "dknn:layer=penultimate", batch_size=7)
    assert w.shape == (6, 40)
    same = pl.influence(model, pl.data.Dataset.make(train), test, "dknn:layer=penultimate")
    assert torch.allclose(w, same, rtol=1e-4)


def test_series_and_volumes_and_dense_latents():
    for shape, model in [
        ((20, 1), nn.Linear(1, 3)),
        ((1, 4, 4, 4), nn.Conv3d(1, 2, 3)),
        ((1, 6, 6), nn.Conv2d(1, 2, 3)),
    ]:
        train, test = torch.randn(6, *shape), torch.randn(2, *shape)
        w = pl.influence(model, train, test, "dknn")
        f, g = model(test).flatten(1), model(train).flatten(1)
        assert torch.allclose(w, torch.cdist(f, g).pow(-2), rtol=1e-3), shape


def test_a_recurrent_encoder():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(1, 4, batch_first=True)

        def forward(self, x):
            return self.lstm(x)[1][0][-1]

    w = pl.influence(Last(), torch.randn(9, 30, 1), torch.randn(4, 30, 1), "simplex")
    assert torch.allclose(w.sum(1), torch.ones(4))


def test_layers():
    model = net()
    hidden = model[:3]
    assert torch.allclose(
        pl.influence(model, TRAIN, TEST, "dknn:layer=penultimate"), pl.influence(hidden, TRAIN, TEST, "dknn")
    )
    assert torch.allclose(pl.influence(model, TRAIN, TEST, "dknn:layer=2"), pl.influence(hidden, TRAIN, TEST, "dknn"))


def test_one_class_is_enough_for_who_reads_no_labels():
    w = pl.influence(net(), (TRAIN, torch.zeros(12, dtype=torch.long)), TEST, "simplex")
    assert w.isfinite().all()


def test_the_loss_that_fits():
    def chosen(model, train, test, loss=None):
        with _influence.prepared(model, train, test, loss) as case:
            return case.loss.name if case.loss else case.why

    pairs = (TRAIN, LABELS), (TEST, LABELS[:5])
    assert chosen(Rebuilds(), TRAIN, TEST) == "reconstruction"
    assert chosen(Rebuilds(), *pairs) == "reconstruction"
    assert (
        chosen(nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.Unflatten(1, (1, 4, 4))), TRAIN, TEST)
        == "reconstruction"
    )
    assert chosen(net(), *pairs) == "cross-entropy"
    assert chosen(Rebuilds(), TRAIN, TEST, "absolute-reconstruction") == "absolute-reconstruction"
    assert "contrastive" in chosen(net(), TRAIN, TEST)
    assert "contrastive" in chosen(net(2), *pairs)  # a label that is no class
    own = Loss("mine", lambda output, images, labels: output.square().sum(1))
    assert chosen(net(), TRAIN, TEST, own) == "mine"
    assert chosen(net(), TRAIN, TEST, lambda output, images, labels: output[:, 0]).startswith("<") is False


def test_a_fit_and_its_folder_bring_their_checkpoints(tmp_path):
    run = pl.fit(
        "pellucid:tiny-cnn:classes=3", "scenes:classes=3,length=12,size=16", "ce", epochs=2, out=tmp_path, keep=True
    )
    data = "scenes:classes=3,length=6,size=16"
    from_fit = pl.influence(run, data, data, "tracin")
    assert from_fit.shape == (6, 6)
    assert torch.equal(from_fit, pl.influence(tmp_path, data, data, "tracin"))
    one = pl.influence(run, data, data, "tracin", checkpoints=run.checkpoints[:1])
    assert not torch.allclose(one, from_fit)


# --- what comes back -----------------------------------------------------------------------------------------------


def test_top_is_the_matrix_read_off(small):
    model = net()
    w = pl.influence(model, TRAIN, TEST)
    top = pl.influence(model, TRAIN, TEST, top=4)
    assert torch.equal(top.supporters, w.topk(4, 1).indices)
    assert torch.allclose(top.scores, w.topk(4, 1).values, rtol=1e-4)
    assert torch.equal(top.opponents, w.topk(4, 1, largest=False).indices)
    assert len(top) == 5
    assert "4 supporters" in repr(top)
    every = pl.influence(model, TRAIN, TEST, top=99)
    assert every.supporters.shape == (5, 12)
    assert torch.equal(every.supporters, every.opponents.flip(1))


def test_the_model_is_as_it_was_also_after_an_error(monkeypatch):
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 3)).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}

    def fails(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(DKNN, "score", fails)
    with pytest.raises(RuntimeError, match="no"):
        pl.influence(model, TRAIN, TEST)
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_a_case_puts_its_own_weights_back():
    model, other = net(), nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
    own = model[1].weight.clone()

    def fails(case):
        with case.at(other.state_dict()):
            assert torch.equal(model[1].weight, other[1].weight)
            raise KeyError

    with _influence.prepared(model, TRAIN, TEST) as case, pytest.raises(KeyError):
        fails(case)
    assert torch.equal(model[1].weight, own)


# --- on the disk ---------------------------------------------------------------------------------------------------


def stopped_after(monkeypatch, count, error):
    """A dknn that is interrupted at piece `count`, and the list of what was scored."""
    seen, scored = [], DKNN.score

    def score(self, case):
        if len(seen) == count:
            raise error
        seen.append(case.first)
        return scored(self, case)

    monkeypatch.setattr(DKNN, "score", score)
    return seen


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_what_was_stopped_goes_on(tmp_path, monkeypatch, small, error):
    model = net()
    whole = pl.influence(model, TRAIN, TEST)
    with monkeypatch.context() as here:
        seen = stopped_after(here, 4, error)
        with pytest.raises(type(error)):
            pl.influence(model, TRAIN, TEST, out=tmp_path)
        assert len(seen) == 4
    assert json.loads((tmp_path / "plan.json").read_text())["done"] == 4
    with monkeypatch.context() as here:
        seen = stopped_after(here, None, error)
        found = pl.influence(model, TRAIN, TEST, out=tmp_path)
        assert len(seen) == 9 - 4
    assert torch.equal(found, whole)
    assert np.array_equal(np.load(tmp_path / "influence.npy"), whole.numpy())
    with monkeypatch.context() as here:
        seen = stopped_after(here, None, error)
        assert torch.equal(pl.influence(model, TRAIN, TEST, out=tmp_path), whole)
        assert seen == []


def test_the_strongest_go_on_too(tmp_path, monkeypatch, small):
    model = net()
    whole = pl.influence(model, TRAIN, TEST, "random", top=3)
    put, seen = _pieces.Tops.put, []

    def interrupted(self, piece, scores):
        if len(seen) == 1:
            raise KeyboardInterrupt
        seen.append(piece)
        put(self, piece, scores)

    with monkeypatch.context() as here:
        here.setattr(_pieces.Tops, "put", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pl.influence(model, TRAIN, TEST, "random", top=3, out=tmp_path)
    found = pl.influence(model, TRAIN, TEST, "random", top=3, out=tmp_path)
    assert torch.equal(found.supporters, whole.supporters)
    assert torch.equal(found.low, whole.low)


@pytest.mark.parametrize("stopped", [1, 2, 4])
def test_the_strongest_hold_no_piece_twice(tmp_path, monkeypatch, stopped):
    """Stopped after a piece's numbers are on the disk and before the plan counts them."""
    monkeypatch.setattr(_influence, "COLUMNS", 3)
    model = net()
    whole = pl.influence(model, TRAIN, TEST, top=6)
    count, seen = _pieces.Sink._count, []

    def interrupted(self):
        seen.append(self)
        if len(seen) == stopped:
            raise KeyboardInterrupt
        count(self)

    with monkeypatch.context() as here:
        here.setattr(_pieces.Sink, "_count", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pl.influence(model, TRAIN, TEST, top=6, out=tmp_path)
    found = pl.influence(model, TRAIN, TEST, top=6, out=tmp_path)
    assert torch.equal(found.supporters, whole.supporters)
    assert torch.equal(found.opponents, whole.opponents)


def test_another_question_is_refused_in_the_same_folder(tmp_path):
    model = net()
    pl.influence(model, TRAIN, TEST, out=tmp_path)
    for change in ({"test": TEST + 1}, {"influence": "dknn:k=2"}, {"seed": 3}, {"top": 2}, {"train": TRAIN[:4]}):
        given = {"train": TRAIN, "test": TEST} | change
        with pytest.raises(pl.PellucidError, match="another question"):
            pl.influence(model, out=tmp_path, **given)
    with torch.no_grad():
        model[1].weight.add_(1)
    with pytest.raises(pl.PellucidError, match="its model"):
        pl.influence(model, TRAIN, TEST, out=tmp_path)


def test_a_folder_that_cannot_be_written_is_known_at_once(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    seen = stopped_after(monkeypatch, None, None)
    with pytest.raises(pl.PellucidError, match="nothing can be written"):
        pl.influence(net(), TRAIN, TEST, out=tmp_path / "file")
    assert seen == []


def test_a_full_disk_ends_it_in_a_sentence_and_keeps_what_is_there(tmp_path, monkeypatch, small):
    write, left = os.pwrite, [7]

    def full(*given):
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= 1
        return write(*given)

    with monkeypatch.context() as here:
        here.setattr(os, "pwrite", full)
        with pytest.raises(pl.PellucidError, match=r"cannot be written \(No space left"):
            pl.influence(net(), TRAIN, TEST, out=tmp_path)
    assert json.loads((tmp_path / "plan.json").read_text())["done"] > 0
    assert torch.equal(pl.influence(net(), TRAIN, TEST, out=tmp_path), pl.influence(net(), TRAIN, TEST))


def test_memory_bounds_the_pieces():
    model = net()
    with _influence.prepared(model, TRAIN, TEST) as case:
        for memory, most in [(2**10, 40), (2**14, 600)]:
            case.memory = memory
            pieces = _influence._pieces(DKNN(), case, 1000, 5000)
            assert pieces.rows * pieces.columns * 4 <= memory
            assert pieces.columns * DKNN().keeps(case) * 4 <= memory
            assert sum((r.stop - r.start) * (c.stop - c.start) for r, c in pieces) == 1000 * 5000
            assert pieces.rows * pieces.columns < most * 10


def test_a_large_data_set_is_not_held(monkeypatch):
    monkeypatch.setattr(_influence, "HELD", 0)
    model = pl.load_model("pellucid:tiny-cnn:classes=10,channels=1", weights=None)
    data = "subset:first=12@digits"
    found = pl.influence(model, data, data, "dknn", batch_size=5)
    monkeypatch.undo()
    assert torch.allclose(found, pl.influence(model, data, data, "dknn"), rtol=1e-4)


# --- pictures and the command --------------------------------------------------------------------------------------


def test_pictures_are_what_was_asked(tmp_path):
    red, blue = torch.zeros(3, 8, 8), torch.zeros(3, 8, 8)
    red[0], blue[2] = 1, 1
    test = Shown({0: red, 3: blue}, {0: "a", 3: "b"})
    train = Shown({1: red, 2: blue}, {1: "a", 2: "b"})
    pairs = {0: [(1, 2.0), (2, 1.0)], 3: [(2, 5.0), (1, 4.0)]}
    sheet = np.asarray(strongest(test, train, pairs, {0: [(2, -1.0)], 3: [(1, -2.0)]}, "a note"))
    for colour in ((255, 0, 0), (0, 0, 255), (0x2F, 0x8F, 0x4E), (0xC2, 0x3B, 0x32)):
        assert (sheet == colour).all(-1).any(), colour
    grid = np.asarray(first_of_each(test, train, {"one": {0: 1, 3: 2}, "other": {0: 1, 3: 1}}))
    green, bad = ((grid == c).all(-1).sum() for c in ((0x2F, 0x8F, 0x4E), (0xC2, 0x3B, 0x32)))
    assert green == 3 * bad > 0  # frames of one size: three with the label, one without
    wide = gallery([Group("t", [[Tile(red), Tile(red)], [Tile(blue)]])])
    assert wide.width > wide.height / 2


def test_signals_are_drawn_as_curves():
    up = picture_of(torch.linspace(0, 1, 140)[:, None])
    assert up.shape == (3, 96, 96)
    ink = (up[0] < 0.5).nonzero().float()
    assert float(torch.corrcoef(ink.T)[0, 1]) < -0.9  # upwards: the row falls as the column grows
    assert picture_of(torch.rand(1, 3, 8, 8)).shape == (3, 8, 8)


def test_the_command(tmp_path, capsys):
    torch.manual_seed(0)
    model = pl.load_model("pellucid:tiny-cnn:classes=10,channels=1", weights=None)
    for name in ("one", "two"):
        with torch.no_grad():
            model.head.weight.mul_(-1).add_(0.1)
        pl.networks.save_model(model, tmp_path / f"{name}.safetensors")
    call = [
        "influence", "--model", str(tmp_path / "one.safetensors"), "--model", str(tmp_path / "two.safetensors"),
        "--train", "subset:first=60@digits", "--test", "digits", "--rows", "100,7", "-i", "dknn", "-i", "simplex",
        "--top", "3", "-o", str(tmp_path / "who"), "--scores",
    ]  # fmt: skip
    assert main(call) == 0
    told = capsys.readouterr().out
    assert "supporters have the label" in told
    record = json.loads((tmp_path / "who" / "influence.json").read_text())
    assert [(row["influence"], row["test"]) for row in record["examples"]] == [
        ("dknn", 100), ("dknn", 7), ("simplex", 100), ("simplex", 7)
    ] * 2  # fmt: skip
    assert record["examples"][1]["supporters"][0]["train"] == 7  # itself
    assert len(record["examples"][0]["opponents"]) == 3
    for name in ("one-dknn", "one-simplex", "two-dknn", "two-simplex", "side-by-side"):
        assert Image.open(tmp_path / "who" / f"{name}.png").width > 300
    matrix = np.load(tmp_path / "who" / "one-dknn" / "influence.npy")
    expected = pl.influence(
        tmp_path / "one.safetensors", "subset:first=60@digits", pl.data.Dataset.make("digits"), "dknn"
    )
    assert np.allclose(matrix, expected[[100, 7]], rtol=1e-4)
    assert main([*call, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again.pop("calls") != record.pop("calls")  # what it took
    assert again == record


@pytest.mark.parametrize(
    "more, expected",
    [
        (["-i", "dknnn"], "did you mean dknn?"),
        (["-i", "tracin"], "keep=True"),
        (["--rows", "5000"], "--rows has 5000"),
        (["-i", "dknn", "-i", "dknn"], "given twice"),
        (["--loss", "hinge"], "there is no loss 'hinge'"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, capsys, more, expected):
    call = [
        "influence",
        "--model",
        "pellucid:tiny-cnn:classes=10,channels=1",
        "--train",
        "subset:first=9@digits",
        "--test",
        "digits",
    ]
    assert main([*call, "-o", str(tmp_path), *more]) == 2
    assert expected in capsys.readouterr().err


def test_checkpoints_of_another_model_are_refused(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(pl.PellucidError, match="not of this model"):
        pl.influence(net(), (TRAIN, LABELS), (TEST, LABELS[:5]), "tracin", checkpoints=[tmp_path / "a.safetensors"])


# --- models of other kinds -------------------------------------------------------------------------------------------

BY_LOSS = ["gradient-cosine", "tracin", *(f"influence-function:solver={s}" for s in ("auto", "cg", "ekfac", "lanczos"))]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("member", BY_LOSS)
def test_models_of_other_precisions(member, dtype):
    """In 16 bits there is no curvature and no eigenvector: it is computed in 32, with the weights that there are."""
    torch.manual_seed(0)
    model = Rebuilds().to(dtype)
    rounded = Rebuilds()
    rounded.load_state_dict(model.state_dict())
    before = {name: (p.data_ptr(), p.dtype) for name, p in model.named_parameters()}
    found = pl.influence(model, TRAIN.to(dtype), TEST.to(dtype), member, checkpoints=[model.state_dict()])
    expected = pl.influence(
        rounded, TRAIN.to(dtype).float(), TEST.to(dtype).float(), member, checkpoints=[rounded.state_dict()]
    )
    assert float((found - expected).abs().max()) < 1e-4 * float(expected.abs().max())
    assert {name: (p.data_ptr(), p.dtype) for name, p in model.named_parameters()} == before


class Parts(nn.Module):
    """A code and an image again, in one answer."""

    def __init__(self, kind):
        super().__init__()
        self.code, self.again, self.kind = nn.Linear(16, 3), nn.Linear(3, 16), kind

    def forward(self, x):
        z = self.code(x.flatten(1))
        parts = {"code": z, "again": self.again(z).view(x.shape)}
        return parts if self.kind is dict else tuple(parts.values())


@pytest.mark.parametrize("kind, output", [(dict, "again"), (tuple, 1)])
def test_answers_in_parts(kind, output):
    torch.manual_seed(0)
    model = Parts(kind)
    assert pl.influence(model, TRAIN, TEST).shape == (5, 12)  # of the code, which comes first
    alone = nn.Sequential(nn.Flatten(), model.code, model.again, nn.Unflatten(1, (1, 4, 4)))
    for params in ("encoder", "head"):
        member = f"influence-function:params={params}"
        found = pl.influence(model, TRAIN, TEST, member, output=output)
        assert torch.allclose(found, pl.influence(alone, TRAIN, TEST, member), rtol=1e-4, atol=1e-7), params
    with_code = pl.influence(model, (TRAIN, LABELS), (TEST, LABELS[:5]), "gradient-cosine")  # the decoder has no say
    asked = ("code.*",)
    expected = pl.influences.GradientCosine(params=asked)
    assert torch.allclose(with_code, pl.influence(model, (TRAIN, LABELS), (TEST, LABELS[:5]), expected), atol=1e-6)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory, self.head = nn.LSTM(1, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.memory(x)[1][0][0])


@pytest.mark.parametrize("curvature", ["gauss-newton", "hessian"])
def test_second_derivatives_of_a_recurrent_network(curvature):
    """Which oneDNN's have not, in evaluation mode; what was switched off for it is on again."""
    torch.manual_seed(0)
    model, series = Recurrent(), torch.randn(12, 9, 1)
    enabled = torch.backends.mkldnn.enabled
    found = pl.influence(
        model,
        (series, LABELS),
        (series[:2], LABELS[:2]),
        f"influence-function:solver=cg,damping=1,curvature={curvature}",
    )
    assert found.isfinite().all()
    assert torch.backends.mkldnn.enabled == enabled
    if curvature == "gauss-newton":
        rows = pl.influence(model, (series, LABELS), (series[:2], LABELS[:2]), "influence-function:damping=1")
        assert torch.allclose(found, rows, rtol=1e-3, atol=1e-7)


def test_a_code_is_not_taken_for_classes():
    """Eight numbers and three labels: a contrastive encoder's code would get a cross-entropy without anybody's wish."""
    given = (TRAIN, LABELS), (TEST, LABELS[:5])
    with pytest.raises(pl.PellucidError, match="may be a code"):
        pl.influence(net(8), *given, "gradient-cosine")
    assert pl.influence(net(8), *given, "gradient-cosine", "cross-entropy").shape == (5, 12)
    assert pl.influence(net(3), *given, "gradient-cosine").shape == (5, 12)


def test_two_images_in_a_list_are_two_images():
    assert torch.equal(pl.influence(net(), [TRAIN[0], TRAIN[1]], TEST), pl.influence(net(), TRAIN[:2], TEST))


def test_trainings_whose_files_have_one_name(tmp_path):
    """a/model.safetensors and b/model.safetensors: a sheet each, and one of both."""
    torch.manual_seed(0)
    for name in "ab":
        model = pl.load_model("pellucid:tiny-cnn:classes=10,channels=1", weights=None)
        (tmp_path / name).mkdir()
        pl.networks.save_model(model, tmp_path / name / "model.safetensors")
    models = [word for name in "ab" for word in ("--model", str(tmp_path / name / "model.safetensors"))]
    call = ["influence", *models, "--train", "subset:first=20@digits", "--test", "digits", "--rows", "3", "--scores"]
    assert main([*call, "-o", str(tmp_path / "who")]) == 0
    for name in ("a-dknn", "b-dknn", "side-by-side"):
        assert (tmp_path / "who" / f"{name}.png").exists(), name
