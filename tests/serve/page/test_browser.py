"""The page in a browser: every view is used as people use it, by mouse, keyboard and thumb."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from nearfield.serve import Keys, create_app
from nearfield.serve.server import running

from .conftest import HOSTILE, PLACE

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
    pytest.mark.slow,
]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# plotly's bundle carries styles of a map library that it adds when it loads; the policy stops them, and we draw none.
EXPECTED = "Applying inline style violates"
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Open]:
    """``page("#view", width=, theme=)`` opens the page; at the end nothing may have gone wrong in it."""
    faults: list[str] = []
    contexts = []

    def opened(place: str, width: int = 1200, theme: str = "light", at: str = url) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
        contexts.append(context)
        made = context.new_page()
        made.set_default_timeout(30_000)
        made.on("pageerror", lambda error: faults.append(str(error)))
        made.on(
            "console",
            lambda said: faults.append(said.text) if said.type == "error" and EXPECTED not in said.text else None,
        )
        made.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        made.goto(f"{at}/{place}")
        return made

    opened.faults = faults  # type: ignore[attr-defined]
    yield opened
    for context in contexts:
        context.close()
    assert not faults


def test_a_question_is_answered_with_relevance_a_cut_and_reasons(page: Open) -> None:
    seen = page("#search?c=papers")
    seen.wait_for_selector("text=Search 200 items")
    seen.keyboard.type("paper number 7")
    seen.keyboard.press("Enter")
    seen.wait_for_selector(".hit")
    assert seen.locator(".hit").count() == 10
    assert re.match(r"\d+%$", seen.locator(".score .number").first.inner_text())
    assert "q=paper+number+7" in seen.url
    seen.select_option("select >> nth=1", "0.01")
    seen.wait_for_selector(".cut")
    assert "1% false answers" in seen.locator(".cut").inner_text()
    below = seen.locator(".hit.below").count()
    seen.click("text=Show more")
    seen.wait_for_function("() => document.querySelectorAll('.hit').length === 20")
    assert seen.locator(".hit.below").count() == below + 10 and seen.locator(".cut").count() == 1
    seen.fill("#why-id", "p199")
    seen.click("text=Explain")
    seen.wait_for_selector(".why .notice dl")
    seen.fill("#why-id", "no such item")
    seen.keyboard.press("Enter")
    seen.wait_for_selector(".why .notice:has-text('no such item'), .why .notice:has-text('no item')")
    seen.reload()
    seen.wait_for_selector(".hit")
    assert seen.locator("#question").input_value() == "paper number 7"


def test_it_is_used_by_keyboard_alone(page: Open) -> None:
    seen = page("#search?c=papers&q=number&by=words")
    seen.wait_for_selector(".hit")
    focused = "document.activeElement.dataset.id ?? document.activeElement.id"
    seen.keyboard.press("ArrowDown")
    first = seen.evaluate(focused)
    seen.keyboard.press("ArrowDown")
    assert seen.evaluate(focused) not in (first, "question")
    seen.keyboard.press("ArrowUp")
    assert seen.evaluate(focused) == first
    seen.keyboard.press("Enter")
    seen.wait_for_selector("#item-dialog[open] h3")
    seen.keyboard.press("Escape")
    seen.wait_for_selector("#item-dialog:not([open])", state="attached")
    assert seen.evaluate(focused) == first
    seen.keyboard.press("s")
    seen.wait_for_selector(".chip")
    assert seen.locator("input[name=by]:checked").input_value() == "meaning"  # items are not compared by words
    seen.wait_for_selector(".hit")
    seen.evaluate("document.activeElement.blur()")
    seen.keyboard.press("/")
    assert seen.evaluate(focused) == "question"
    seen.evaluate("document.activeElement.blur()")
    seen.evaluate("document.querySelector('#skip').focus()")
    seen.keyboard.press("Enter")
    assert seen.evaluate(focused) == "main"


def test_like_unlike_and_conditions(page: Open) -> None:
    seen = page("#search?c=papers&by=id&q=p3")
    seen.wait_for_selector(".hit")
    seen.locator(".hit").nth(0).get_by_text("Similar", exact=True).click()
    seen.wait_for_selector(".chip")
    seen.locator(".hit").nth(1).get_by_text("Unlike", exact=True).click()
    seen.wait_for_selector(".chip.away")
    assert "unlike=" in seen.url
    seen.click("button:has-text('Filter')")
    seen.select_option("[aria-label=Attribute]", "topic")
    seen.fill("[aria-label=Value]", "nlp")
    seen.keyboard.press("Tab")
    seen.wait_for_function("() => location.hash.includes('where=')")
    hits = "[...document.querySelectorAll('.hit')]"
    seen.wait_for_function(f"() => {hits}.length > 0 && {hits}.every((hit) => hit.textContent.includes('nlp'))")
    seen.click("text=Write it as text")
    assert seen.locator("#filters textarea").input_value() == "topic = 'nlp'"
    seen.fill("#filters textarea", "nonsense >")
    seen.keyboard.press("Enter")
    seen.wait_for_selector(".notice.poor")
    page.faults.clear()  # type: ignore[attr-defined]  # the browser notes that the server refused it
    seen.fill("#filters textarea", "year >= 2020")
    seen.keyboard.press("Enter")
    seen.wait_for_selector(".hit")
    seen.click("text=Build it instead")
    assert seen.locator("#filters code").inner_text() == "year >= 2020"


def test_the_map_is_drawn_coloured_and_taken_apart(page: Open) -> None:
    seen = page("#map?c=papers")
    seen.click("button:has-text('Draw the map')")
    seen.wait_for_selector(".plane canvas", state="attached", timeout=60_000)
    assert seen.locator("aside select >> nth=0").input_value() == "year"
    seen.select_option("aside select >> nth=0", "topic")
    seen.wait_for_selector(".keys li")
    pixels = "document.querySelector('.plane canvas').getContext('2d').getImageData(0, 0, 800, 700).data.buffer"
    seen.wait_for_function(f"() => new Set(new Uint32Array({pixels})).size > 3")
    seen.click(".keys button:has-text('nlp')")
    assert seen.locator(".panel a:has-text('topic is nlp')").count() == 1
    seen.click(".keys button:has-text('nlp')")
    seen.click("[aria-label='Draw a lasso']")
    box = seen.locator(".plane").bounding_box()
    corners = [(0.02, 0.12), (0.98, 0.12), (0.98, 0.85), (0.3, 0.85), (0.02, 0.8)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    seen.mouse.move(*places[0])
    seen.mouse.down()
    for place in places[1:]:
        seen.mouse.move(*place, steps=4)
    seen.mouse.up()
    seen.wait_for_selector("text=/\\d+ items inside/")
    seen.fill("#question", "paper number 5")
    seen.keyboard.press("Enter")
    seen.wait_for_selector("text=/hits inside the lasso/")
    seen.locator(".rows button").first.click()
    seen.wait_for_selector(".panel h3:has-text('Paper number')")
    seen.click(".panel button:has-text('Close')")
    seen.click("text=Search inside")
    seen.wait_for_selector(".chip:has-text('inside the lasso')")
    seen.fill("#question", "paper number 5")
    seen.keyboard.press("Enter")
    seen.wait_for_selector(".hit")
    assert "in=lasso" in seen.url
    seen.click("nav a:has-text('Map')")
    seen.wait_for_selector("text=/\\d+ items inside/")
    seen.locator(".plane").focus()
    for key in ("ArrowLeft", "+", "-", "0", "Escape"):
        seen.keyboard.press(key)
    seen.select_option("aside select >> nth=0", label="How far to trust the map")
    seen.wait_for_selector(".ramp")


def test_a_hit_is_found_on_the_map(page: Open) -> None:
    seen = page("#map?c=papers&at=%22p9%22")
    seen.click("button:has-text('Draw the map')")
    seen.wait_for_selector(".panel h3:has-text('Paper number 9')", timeout=60_000)


def test_survey_plan_and_health(page: Open, app: Any) -> None:
    with app.state.hosted.open("papers") as store:
        store.optimize(recall=0.9)
    seen = page("#survey?c=papers")
    seen.click("button:has-text('Survey the space')")
    seen.wait_for_selector(".cards .card", timeout=90_000)
    shown = "image.src.startsWith('blob:') && image.naturalWidth > 0"
    seen.wait_for_function(f"() => [...document.images].some((image) => {shown})")
    seen.click("nav a:has-text('Plan')")
    seen.wait_for_selector("text=The target is met.")
    seen.click("nav a:has-text('Health')")
    seen.wait_for_selector("text=All is well.")
    seen.click("text=Verify everything")
    seen.wait_for_selector("text=Verified: every file is intact")
    seen.select_option("#collection", "none")
    seen.wait_for_selector("h1:has-text('Health of none')")


def test_recipes_are_plotted(page: Open, app: Any) -> None:
    """A plan as the server tells it; measuring one here would take longer than drawing it."""
    from nearfield.tune import Plan, Recipe, Trial

    told = [(32, 1.0, 900.0), (8, 0.99, 1100.0), (4, 0.95, 1500.0)]
    trials = [
        Trial(Recipe("flat", bits=bits), recall, recall - 0.01, recall, speed, 1.2, 1000 * bits, 0)
        for bits, recall, speed in told
    ]
    plan = Plan(
        trials[1].recipe,
        trials,
        True,
        "8 bits.",
        0.9,
        10,
        None,
        None,
        "cosine",
        "bound",
        200,
        8,
        180,
        20,
        "held-out rows",
    )
    body = {"plan": plan.to_dict(), "labels": [str(one.recipe) for one in trials], "misses": [[], [], []]}

    def opened(**more: Any) -> Any:
        seen = page("#survey?c=papers", **more)
        seen.route("**/page/data/plan?*", lambda route: route.fulfill(json=body))
        seen.click("nav a:has-text('Plan')")
        return seen

    seen = opened(theme="dark")
    drawn = "() => document.querySelectorAll('.plot .points path').length === 3"
    seen.wait_for_function(drawn, timeout=120_000)
    assert seen.evaluate("getComputedStyle(document.querySelector('.plot .main-svg')).position") == "absolute"
    assert seen.locator(".plot .xtitle").text_content() == "recall@10"
    assert seen.locator(".plot .ytitle").text_content() == "queries a second"
    seen.click("#theme")
    assert seen.evaluate("document.documentElement.dataset.theme") == "light"
    seen.reload()
    seen.wait_for_function(drawn, timeout=120_000)
    assert seen.evaluate("document.documentElement.dataset.theme") == "light"


def test_the_reference_shows_every_operation(page: Open, app: Any) -> None:
    seen = page("docs#search", width=360, theme="dark")
    seen.wait_for_selector("#search[open] table")
    assert seen.evaluate("document.documentElement.scrollWidth") == 360
    assert "text_query" in seen.locator("#search").inner_text()
    assert "curl -X POST" in seen.locator("#search .code pre").first.inner_text()
    told = sum(len(methods) for methods in app.openapi()["paths"].values())
    assert seen.locator("details.operation").count() == told
    seen.evaluate("document.activeElement.blur()")
    seen.keyboard.press("/")
    seen.keyboard.type("snapshot put")
    seen.wait_for_function("() => document.querySelectorAll('.operation:not([hidden])').length === 1")
    for details in seen.locator("details.operation").all():
        details.evaluate("(one) => { one.hidden = false; one.open = true; }")
    seen.wait_for_function(
        "() => [...document.querySelectorAll('.operation')].every((one) => one.querySelector('pre'))"
    )
    assert seen.evaluate("document.documentElement.scrollWidth") == 360
    seen.click("header a.brand")
    seen.wait_for_selector("#question")


def test_what_items_say_is_shown_and_never_run(page: Open) -> None:
    seen = page(f"#search?c={quote(PLACE, safe='')}&q=words&by=words")
    seen.wait_for_selector(".hit")
    assert seen.locator(".hit h3").first.inner_text() == HOSTILE
    seen.locator(".hit button.title").first.click()
    seen.wait_for_selector("#item-body h3")
    assert HOSTILE in seen.locator("#item-body").inner_text()
    seen.keyboard.press("Escape")
    seen.locator(".hit").first.get_by_text("Similar", exact=True).click()
    seen.wait_for_selector(".chip")
    seen.click("nav a:has-text('Map')")
    seen.click("button:has-text('Draw the map')")
    seen.wait_for_selector(".plane canvas", state="attached", timeout=60_000)
    assert seen.locator("aside select >> nth=0").input_value() == ""  # all have one value, which tells none apart
    seen.select_option("aside select >> nth=0", "<i>a</i>")
    seen.wait_for_selector(".keys li")
    assert seen.locator(".keys li span").first.inner_text() == HOSTILE
    assert seen.title() == f"Map · {PLACE} · Nearfield"
    assert seen.locator("main script, main img, .bar b").count() == 0


def test_a_key_is_asked_for_and_a_wrong_one_is_told(browser: Any, folder: Path, tmp_path: Path) -> None:
    secret = Keys.new(tmp_path / "keys", "read")
    with running(create_app(folder, keys=Keys.load(tmp_path / "keys"))) as address:
        context = browser.new_context()
        seen = context.new_page()
        seen.set_default_timeout(30_000)
        seen.goto(address)
        seen.wait_for_selector("#key-dialog[open]")
        seen.fill("#key", "nf_wrong")
        seen.keyboard.press("Enter")
        seen.wait_for_selector("text=The server does not know this key")
        seen.fill("#key", secret)
        seen.keyboard.press("Enter")
        seen.wait_for_selector("#question")
        assert seen.evaluate("Object.keys(localStorage).length") == 0
        seen.select_option("#collection", "papers")
        seen.click("nav a:has-text('Plan')")
        seen.wait_for_selector("text=No plan yet")
        assert seen.locator("text=Measure and apply").count() == 0  # the key may only read
        context.close()


def test_a_lasso_that_is_gone_is_told(page: Open) -> None:
    seen = page("#search?c=papers&q=number&in=lasso")
    seen.wait_for_selector(".notice:has-text('everything is searched')")
    seen.wait_for_selector(".hit")


@pytest.mark.parametrize(
    "view",
    ["search?c=papers", "search?c=papers&q=number&by=words", "health?c=papers", "plan?c=papers", "survey?c=none"],
)
def test_a_phone_is_wide_enough(page: Open, view: str) -> None:
    seen = page(f"#{view}", width=360)
    seen.wait_for_selector("main h1, main h2")
    assert seen.evaluate("document.documentElement.scrollWidth") == 360
    buttons = "[...document.querySelectorAll('.bar a, .bar button, main button:not(.link)')]"
    assert seen.evaluate(f"{buttons}.filter((one) => one.offsetParent && one.offsetHeight < 24).length") == 0


def test_a_server_that_went_away_is_told(page: Open, browser: Any, folder: Path) -> None:
    with running(create_app(folder)) as address:
        seen = page("#search?c=papers", at=address)
        seen.wait_for_selector("text=Search 200 items")
    seen.fill("#question", "anything")
    seen.keyboard.press("Enter")
    seen.wait_for_selector("text=The server does not answer")
    page.faults.clear()  # type: ignore[attr-defined]
