"""Drives the page as a person would, and writes what it answered into a folder.

page.py PAGE LOG BIG_LOG FOLDER, with CHROMIUM in the environment. Says what it did, and ends with 1 if the page did anything wrong.
"""

import http.server
import json
import os
import pathlib
import re
import sys
import threading

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

PAGE, LOG, BIG_LOG, FOLDER = map(pathlib.Path, sys.argv[1:5])
OFFER = FOLDER / "offer.json"
# A busy machine takes its time.
PATIENCE_MS = 120_000
KINDS = ["report", "whatif", "compare", "forecast", "verify", "price"]


class Listener(http.server.BaseHTTPRequestHandler):
    """What the page must never reach."""

    seen = []

    def do_GET(self):
        Listener.seen.append(self.path)
        self.send_response(200)
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_):
        pass


def choose(page, kind):
    page.get_by_text({"report": "Who spent what", "whatif": "What if", "compare": "Before and after", "forecast": "Forecast",
                      "verify": "Is the log whole?", "price": "Price of a call"}[kind], exact=True).click()


def answer(page):
    page.get_by_role("button", name="Answer").click()
    settled(page)


def settled(page):
    expect(page.locator("body")).to_have_attribute("aria-busy", "false", timeout=300_000)
    assert page.locator("#q-failed").is_hidden(), page.locator("#q-failed").inner_text()


def keep(page, name, file):
    with page.expect_download() as download:
        page.get_by_role("button", name=name, exact=True).click()
    download.value.save_as(FOLDER / file)


def views(page):
    page.set_input_files("#q-choose-files", LOG)
    settled(page)
    expect(page.locator("#q-answer-title")).to_have_text("LLM spend")
    expect(page.locator("#q-answer-title")).to_be_focused()
    keep(page, "Keep as JSON", "report.json")
    keep(page, "Keep as CSV: By team", "team.csv")
    keep(page, "Keep as a page", "report.html")


def questions(page):
    page.fill("#q-by", "team,month")
    page.fill("#q-choose", "status!=not_sent\nprovider=openai,anthropic")
    page.select_option("#q-zone", "America/New_York")
    answer(page)
    keep(page, "Keep as JSON", "by.json")
    page.fill("#q-by", "")
    page.fill("#q-choose", "")
    page.select_option("#q-zone", "UTC")
    for kind, fields in {
        "whatif": {"volume": "team=search:2", "models": "gpt-4.1=gpt-4.1-mini"},
        "compare": {"a": "team=search", "b": "team=support"},
        "forecast": {"days": "14"},
    }.items():
        choose(page, kind)
        for name, value in fields.items():
            page.fill(f"#q-{name}", value)
        answer(page)
        keep(page, "Keep as JSON", f"{kind}.json")
    own_prices(page)
    choose(page, "verify")
    answer(page)
    expect(page.locator("#q-tables")).to_contain_text("lines missing")
    choose(page, "price")
    page.fill("#q-add-model", "openai/gpt-4.1-mini")
    page.press("#q-add-model", "Enter")
    answer(page)
    expect(page.locator("#models")).to_be_attached()
    assert page.locator("#q-tables tbody tr").count() >= 6, "three models, two lines each"


def own_prices(page):
    """What if all calls cost what a line and a file say; then the same prices for one call."""
    choose(page, "whatif")
    page.fill("#q-volume", "")
    page.fill("#q-models", "gpt-4.1-mini=local/llama")
    page.get_by_text("Prices of your own").click()
    page.fill("#q-rates", "local/llama input=0.10 output=0.20")
    page.set_input_files("#q-prices-file", OFFER)
    expect(page.locator("#q-prices-chosen")).to_contain_text("offer.json")
    answer(page)
    keep(page, "Keep as JSON", "own.json")
    choose(page, "price")
    page.fill("#q-price-models", "openai/gpt-4.1\nlocal/llama")
    page.get_by_role("button", name="Start from list prices").click()
    expect(page.locator("#q-rates")).to_have_value("local/llama input=0.10 output=0.20\nopenai/gpt-4.1 input=2 cache_read=0.5 cache_write=2 output=8")
    answer(page)
    expect(page.locator("#q-tables")).to_contain_text("local/llama has a price of your own")
    page.fill("#q-rates", "openai/gpt-4.1 inptu=1")
    page.get_by_role("button", name="Answer").click()
    expect(page.locator("#q-failed")).to_contain_text("Prices: `openai/gpt-4.1 inptu=1`: unknown class")
    page.fill("#q-rates", "")
    page.get_by_role("button", name="Leave out offer.json").click()
    expect(page.locator("#q-prices-chosen")).to_be_hidden()
    expect(page.locator("#q-prices-file")).to_be_focused()
    # A drop of the price calculator is a price file wherever it lands.
    page.evaluate("""() => { const drop = new Event('drop', {bubbles: true, cancelable: true});
        drop.dataTransfer = {files: [new File(['{'], 'half.json')]}; document.body.dispatchEvent(drop); }""")
    expect(page.locator("#q-prices-chosen")).to_contain_text("half.json")
    page.get_by_role("button", name="Answer").click()
    expect(page.locator("#q-failed")).to_contain_text("Price file: EOF while parsing")
    page.get_by_role("button", name="Leave out half.json").click()
    page.fill("#q-price-models", "openai/gpt-4.1\nanthropic/claude-haiku-4-5")


def mistakes(page):
    choose(page, "report")
    page.fill("#q-from", "soon")
    page.get_by_role("button", name="Answer").click()
    expect(page.locator("#q-failed")).to_contain_text("From: `soon` is no date")
    page.fill("#q-from", "")


def by_keyboard_alone(context):
    page = context.new_page()
    page.goto(PAGE.as_uri())
    page.keyboard.press("Tab")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("new FormData(document.getElementById('q-ask')).get('kind')") == "price"
    reached = set()
    for _ in range(16):
        page.keyboard.press("Tab")
        here = page.evaluate("document.activeElement.id || document.activeElement.textContent")
        reached.add(here)
        if here == "Prices of your own":
            page.keyboard.press("Enter")
        if here == "q-rates":
            page.keyboard.type("openai/gpt-4.1 input=1 output=2")
        if here == "Answer":
            break
    assert {"q-price-models", "q-input", "q-output", "q-rates", "q-list-prices", "q-prices-file", "Answer"} <= reached, reached
    page.keyboard.press("Enter")
    settled(page)
    expect(page.locator("#q-answer-title")).to_have_text("Price of a call")
    expect(page.locator("#q-tables")).to_contain_text("openai/gpt-4.1 has a price of your own")
    page.close()


def stopped_and_dropped(page):
    """A big log is read while the page goes on answering, is stopped, and dropped anew."""
    page.evaluate("""() => { window.beats = 0; setInterval(() => { window.beats += 1; }, 20);
        window.told = new Set(); new MutationObserver(() => window.told.add(document.getElementById('q-status').textContent))
            .observe(document.getElementById('q-status'), {childList: true}); }""")
    page.set_input_files("#q-choose-files", BIG_LOG)
    expect(page.locator("#q-status")).to_contain_text("%", timeout=60_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#q-status")).to_have_text("Stopped")
    page.evaluate("window.told.clear(); window.beats = 0")
    # A drop carries files only if a person makes it: those of the input stand in for them.
    page.evaluate("""() => { window.taken = files; setFiles([]);
        const drop = new Event('drop', {bubbles: true, cancelable: true}); drop.dataTransfer = {files: window.taken};
        document.getElementById('q-drop').dispatchEvent(drop); }""")
    settled(page)
    beats, told = page.evaluate("[window.beats, [...window.told]]")
    print(f"while {BIG_LOG.stat().st_size} bytes were read the page drew breath {beats} times; {page.locator('#q-status').inner_text()}")
    assert beats >= 10 and any(text.startswith("Read ") and "%" in text for text in told), (beats, told)
    keep(page, "Keep as JSON", "big.json")


def reaches_nothing(page, port):
    place = f"http://127.0.0.1:{port}/"
    blocked = page.evaluate("""async (place) => {
        const refused = [];
        document.addEventListener('securitypolicyviolation', (event) => refused.push(event.effectiveDirective));
        await fetch(place + 'page').catch(() => {});
        new Image().src = place + 'image';
        const script = `fetch('${place}worker').then(() => postMessage('went'), () => postMessage('refused'))`;
        const worker = new Worker(URL.createObjectURL(new Blob([script])));
        refused.push('worker ' + await new Promise((resolve) => { worker.onmessage = ({data}) => resolve(data); }));
        return refused; }""", place)
    assert "connect-src" in blocked and "worker refused" in blocked, blocked
    page.evaluate("""() => { document.getElementById('q-tables').innerHTML = '<img src=x onerror="document.title=1">'; }""")
    page.wait_for_timeout(200)
    assert page.title() == "Tollgate reports", "a script that came with a value ran"
    assert Listener.seen == [], Listener.seen


def accessible(page, name):
    rules = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
    # Only of what is wrong each place is told: of all that is right that would be a megabyte a time.
    found = Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"]})
    wrong = [(rule["id"], [node["html"][:160] for node in rule["nodes"][:3]]) for rule in found.response["violations"]]
    assert not wrong, f"{name}: {json.dumps(wrong, indent=1)}"
    print(f"axe finds nothing wrong: {name}, {len(found.response['passes'])} rules hold")


def looked_at(browser):
    """Screenshots to look at, and what axe says, of each question in light and dark."""
    for scheme, width in [("light", 1280), ("dark", 1280), ("light", 420)]:
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(PAGE.as_uri())
        page.set_input_files("#q-choose-files", LOG)
        settled(page)
        name = f"{scheme}-{width}"
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{name}: the page is {wider} wider than the window"
        page.screenshot(path=FOLDER / f"page-report-{name}.png", full_page=True)
        accessible(page, f"{name}, report with its answer")
        page.evaluate("field('own').open = true")
        for kind in KINDS if name == "light-1280" else ["price"]:
            choose(page, kind)
            accessible(page, f"{name}, {kind}")
        page.get_by_role("button", name="Start from list prices").click()
        expect(page.locator("#q-rates")).to_have_value(re.compile("claude"))
        answer(page)
        page.screenshot(path=FOLDER / f"page-price-{name}.png", full_page=True)
        context.close()


def main():
    expect.set_options(timeout=PATIENCE_MS)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(accept_downloads=True, offline=True)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(PAGE.as_uri())
        views(page)
        questions(page)
        mistakes(page)
        stopped_and_dropped(page)
        assert said == [], said
        context.set_offline(False)
        reaches_nothing(page, server.server_address[1])
        by_keyboard_alone(context)
        looked_at(browser)
        browser.close()
    server.shutdown()


main()
