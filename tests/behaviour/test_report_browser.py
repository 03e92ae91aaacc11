"""The page in a browser: silent, alone, and everything on it works, by pointer and by keyboard.

Skips where there is no Chromium, or no playwright to drive it.
"""

import re
import shutil

import pytest

from pellucid.report import html, page_of
from tests.behaviour.small_runs import (
    audit,
    comparison,
    demonstration,
    evaluation,
    influences,
    latents,
    studies,
    training,
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
KINDS = ["evaluate", "audit", "train", "compare", "demo", "influence", "latents", "study", "studies", "errata"]
ARGUMENTS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-gpu", "--no-first-run"]


@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; pip install 'pellucid[dev]'")
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A run of every kind, as files; and what a notebook shows, in a page around it."""
    home = tmp_path_factory.mktemp("pages")
    made = {}
    builders = {"evaluate": evaluation, "audit": audit, "train": training, "compare": comparison, "demo": demonstration,
                "influence": influences, "latents": latents}  # fmt: skip
    for name, builder in builders.items():
        folder = builder(home / name)
        made[name] = folder / "report.html"
        made[name].write_bytes(html(page_of(folder)))
    ran = studies(home / "ran")
    for name, folder in (("study", ran / "studies" / "lico-x-tiny"), ("studies", ran), ("errata", ran)):
        made[name] = home / f"{name}.html"
        made[name].write_bytes(html(page_of(folder, name)))
    from pellucid.results import Results

    made["notebook"] = home / "notebook.html"
    shown = Results.load(home / "evaluate").explore()._repr_html_()
    around = '<!doctype html><html lang="en"><title>n</title><body><main>', "</main></body></html>"
    made["notebook"].write_text(shown.join(around))
    return made


@pytest.fixture
def opened(chromium, files):
    """A page that must not complain and must not ask; what it did is checked at the end."""
    contexts, said, asked = [], [], []

    def open_(name="evaluate", **options):
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, **options) \
            if "viewport" not in options else chromium.new_context(**options)  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(files[name].as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert said == []
    assert all(url.startswith(("file:", "data:", "about:srcdoc")) for url in asked)
    assert sum(url.startswith("file:") for url in asked) == len(contexts)


def shown(page, selector):
    return page.locator(selector).evaluate_all("all => all.filter(e => e.offsetParent !== null).length")


def test_the_slider_mixes_maps_and_pictures(opened):
    page = opened()
    first = page.locator(".map").first
    assert float(first.evaluate("e => getComputedStyle(e).opacity")) == pytest.approx(0.55)
    page.locator("[data-mix]").fill("0")
    assert float(first.evaluate("e => getComputedStyle(e).opacity")) == 0
    page.locator("[data-mix]").focus()
    page.keyboard.press("End")
    assert float(first.evaluate("e => getComputedStyle(e).opacity")) == 1


def test_explainers_and_questions_are_chosen(opened):
    page = opened()
    assert shown(page, ".cell") == 15
    page.get_by_label("gradient", exact=True).uncheck()
    assert shown(page, ".cell") == 9
    assert shown(page, ".legend") == 2
    page.get_by_label("contrast", exact=True).uncheck()
    assert shown(page, ".cell") == 6
    assert page.locator(".lines g:not(.off)").count() == 6
    for name in ("gradient", "contrast"):
        page.get_by_label(name, exact=True).check()
    assert shown(page, ".cell") == 15


def test_the_outline_goes_and_comes(opened):
    page = opened()
    assert page.locator(".outline").first.is_visible()
    page.get_by_role("checkbox", name="outline of the object").uncheck()
    assert not page.locator(".outline").first.is_visible()


def test_the_order_is_by_any_score(opened):
    page = opened()
    for home, item in ((".sheet", ".row"), (".failures", ".fail")):
        select = page.locator(f"{home} [data-order]")
        before = page.locator(f"{home} {item} h3").all_text_contents()
        options = select.locator("option").all()
        assert len(options) > 5
        for option in options[1:]:
            select.select_option(value=option.get_attribute("value"))
            i, way = int(option.get_attribute("value")), option.get_attribute("data-way")
            scores = page.locator(f"{home} {item}").evaluate_all(
                f"all => all.map(e => JSON.parse(e.dataset.scores)[{i}])"
            )
            assert scores == sorted(scores, reverse=way == "down")
        if home == ".failures":
            assert page.locator(".key-score").first.is_visible()
        select.select_option(value="")
        assert page.locator(f"{home} {item} h3").all_text_contents() == before


def test_the_value_under_the_pointer(opened):
    """The maps of small_runs grow from the first pixel to the last, up to 143/144."""
    page = opened()
    stack = page.locator("[data-stack]").first
    stack.scroll_into_view_if_needed()
    box = stack.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
    text = page.locator(".cell .value").first.text_content()
    value, place = re.fullmatch(r"(\S+)(?: or beyond)? at (.+)", text).groups()
    assert place == "11, 11"
    limit = float(page.locator(".legend").first.get_attribute("data-limit"))
    assert float(value) == pytest.approx(min(143 / 144, limit), abs=limit / 200)
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    assert page.locator(".cell .value").first.text_content() == "0 at 0, 0"
    page.mouse.move(1, 1)
    assert page.locator(".cell .value").first.text_content() == ""


def test_by_keyboard_alone(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('[data-stack]')"):
            break
    assert page.evaluate("document.activeElement.matches('[data-stack]')")
    value = page.locator(".cell .value").first
    before = value.text_content()
    assert before
    page.keyboard.press("ArrowRight")
    assert value.text_content() != before
    assert page.locator("#spoken").text_content() == value.text_content()
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate("document.activeElement.closest('.cell').dataset.c") == "1"
    page.keyboard.press("Shift+ArrowDown")
    assert page.evaluate("[...document.querySelectorAll('.row')].indexOf(document.activeElement.closest('.row'))") == 1
    page.keyboard.press("Tab")
    assert page.evaluate("[...document.querySelectorAll('.row')].indexOf(document.activeElement.closest('.row'))") == 2
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"


def test_light_dark_and_what_the_system_says(opened):
    paper = "getComputedStyle(document.body).backgroundColor"
    page = opened(color_scheme="dark")
    dark = page.evaluate(paper)
    assert dark != "rgb(255, 255, 255)"
    button = page.locator("button.theme")
    button.click()
    assert button.text_content() == "Theme: light"
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    button.press("Enter")
    assert page.evaluate(paper) == dark
    assert opened(color_scheme="light").evaluate(paper) == "rgb(255, 255, 255)"


def test_on_paper(opened):
    page = opened(color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert shown(page, ".controls") == shown(page, ".bar") == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0


def test_a_notebook_explores(opened):
    """In a frame of its own: strength, explainers, values under the pointer."""
    frame = opened("notebook").frame_locator("iframe")
    first = frame.locator(".map").first
    frame.locator("[data-mix]").fill("0")
    assert float(first.evaluate("e => getComputedStyle(e).opacity")) == 0
    frame.get_by_label("gradient", exact=True).uncheck()
    shown = frame.locator(".cell").evaluate_all("all => all.filter(e => e.offsetParent !== null).length")
    assert shown == 9
    stack = frame.locator("[data-stack]").first
    stack.hover()
    assert " at " in frame.locator(".cell .value").first.text_content()


def test_sides_are_chosen(opened):
    page = opened("compare")
    before = shown(page, ".cell")
    page.get_by_label("B", exact=True).uncheck()
    assert shown(page, ".cell") == before // 2


def test_supporters_are_chosen_and_put_in_order(opened):
    page = opened("influence")
    assert shown(page, ".tile") == 18
    page.get_by_label("≠ another label").uncheck()
    assert shown(page, ".tile") == shown(page, ".tile.same") == 6
    page.get_by_role("checkbox", name="random").uncheck()
    assert shown(page, ".tile") == 3
    select = page.locator("[data-order]")
    select.select_option(label="fewest supporters with its label first by grad-cam")
    scores = page.locator(".row").evaluate_all("all => all.map(e => JSON.parse(e.dataset.scores)[0])")
    assert scores == sorted(scores)
    assert page.locator(".row h3").first.text_content() == "test image 5: moth"
    select.select_option(value="")
    assert page.locator(".row h3").first.text_content() == "test image 0: kite"


def test_without_a_script(opened):
    page = opened(java_script_enabled=False)
    for selector in (".map", "table", ".lead", ".lines svg", ".legend"):
        assert page.locator(selector).first.is_visible()
    for selector in (".controls", "button.theme"):
        assert not page.locator(selector).first.is_visible()


@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_wider_than_the_window(opened, name):
    page = opened(name)
    for width in (1280, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", KINDS)
def test_no_serious_fault_for_those_who_use_it_otherwise(opened, name):
    """In the dark only what depends on colours is looked at again."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = opened(name, color_scheme="light", bypass_csp=True)
    found = axe.Axe().run(page).response["violations"]
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    colours = {"runOnly": {"type": "tag", "values": ["cat.color"]}}
    found += axe.Axe().run(page, options=colours).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
