"""The page as a browser sees it: inert whatever the text, nothing fetched, readable by keyboard."""

from __future__ import annotations

import json
import re

import pytest
from browser import browser, visit
from ctxmem.bench import traces

from ctxmem import Chunk, audit, pack
from ctxmem.cli import main
from ctxmem.report import page
from ctxmem.report.words import beside, escape

HOSTILE = (
    "</pre></script><script>document.title='run'</script>"
    "<img src=http://leak.example/x onerror=\"document.title='run'\">&'"
)


def hostile_audit():
    """Return an audit with script in every field that a trace may have."""
    documents = [
        {"id": HOSTILE, "page_content": f"{HOSTILE} {n} {HOSTILE}", "metadata": {"source": HOSTILE}}
        for n in (30, 45, 45)
    ]
    records = []
    for i in range(8):
        run = {"trace_id": HOSTILE + str(i), "extra": {"metadata": {"thread_id": HOSTILE}}}
        records += [
            {**run, "id": f"{i}a", "name": HOSTILE, "run_type": "retriever",
             "inputs": {"query": HOSTILE}, "outputs": {"documents": documents}},
            {**run, "id": f"{i}b", "name": HOSTILE, "run_type": "llm", "outputs": {},
             "inputs": {"messages": [[
                 {"role": "system", "content": f"{i} {HOSTILE}\n\n" + f"{HOSTILE} rule " * 30},
                 {"role": HOSTILE, "content": HOSTILE * i},
                 {"role": "tool", "tool_call_id": HOSTILE, "content": HOSTILE}]]}},
        ]  # fmt: skip
    records.append({HOSTILE: HOSTILE})
    return audit(records, budget=100, prices=3, replay=True)


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return {
        "hostile": hostile_audit().to_html(folder / "hostile.html"),
        "window": pack([Chunk(HOSTILE, id=HOSTILE, source=HOSTILE)], 200).to_html(
            folder / "w.html"
        ),
    }


def test_no_text_becomes_markup(page_of):
    for name in ("hostile", "window"):
        shown = page_of[name].read_text(encoding="utf-8")
        assert shown.count("<script") == shown.count("</script") == 1  # our own
        assert "<img" not in shown
        assert escape(HOSTILE)[:60] in shown


@pytest.mark.parametrize("name", ["hostile", "window"])
def test_the_policy_allows_our_style_and_script_and_nothing_else(page_of, name):
    shown = page_of[name].read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', shown)[1]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy and "http" not in policy
    assert " style=" not in shown  # the policy would block it


def test_the_page_is_small_without_the_data():
    assert len(page.page("", "", script=True)) < 20_000


def test_everything_drawn_is_told_and_every_control_has_a_name(page_of):
    shown = page_of["hostile"].read_text(encoding="utf-8")
    for svg in re.findall(r"<svg[^>]*>", shown):
        assert 'aria-hidden="true"' in svg or re.search(r'aria-label="[^"]+', svg), svg
    for button in re.findall(r"<button[^>]*>([^<]*)</button>", shown):
        assert button.strip()
    assert '<html lang="en">' in shown and "<title>ctxmem audit</title>" in shown
    assert shown.count("<h1") == 1 and shown.count("<main") == 1


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_contrast_in_light_and_dark(dark):
    colours = {}
    for block in re.findall(r"\.ctxmem\{(--[^}]*)", page.STYLE)[: 1 + dark]:
        colours.update(re.findall(r"--(\w+):(#\w+)", block))
    for ground in ("page", "card", "pale", "mark"):
        assert contrast(colours["ink"], colours[ground]) >= 4.5
    for ground in ("page", "card", "pale"):
        assert contrast(colours["soft"], colours[ground]) >= 4.5
    for drawn in ("new", "repeat", "resent", "version", "overlap"):
        assert contrast(colours[drawn], colours["card"]) >= 2.5, drawn
    assert contrast(colours["repeat"], colours["page"]) >= 3  # the large figure


def test_differences_are_marked_word_by_word():
    shown = beside(["due in 30 days", "due in 45 days"], ["old", "new"])
    assert "<figcaption>old</figcaption>" in shown
    assert "<mark>30</mark>" in shown and "<mark>45</mark>" in shown
    assert "<mark>" not in beside(["due in 30 days", "due in 45 days"], mark=False)


def test_differences_of_texts_that_are_dear_to_compare_are_marked_from_end_to_end():
    one, other = "a b " * 2000 + "c " + "a " * 2000, "a b " * 2000 + "d " + "a " * 2000
    shown = beside([one, other])
    assert shown.count("<mark>") == 2 and "<mark>c</mark>" in shown


def test_controls_and_surrogates_can_be_written():
    assert escape("a\x00b\ud83d") == "a\u2400b\ufffd"


def test_versions_stand_side_by_side_in_a_window(tmp_path):
    base = "The reminder of an unpaid bill costs three euro and is sent after fourteen days {}."
    window = pack([Chunk(base.format("at most"), id="a"), Chunk(base.format("or so"), id="b")], 200)
    shown = window.to_html(tmp_path / "w.html").read_text(encoding="utf-8")
    assert "Where versions differ" in shown and "<mark>" in shown


@pytest.mark.slow
def test_ten_thousand_events_give_a_page_of_bounded_size(tmp_path):
    records = []
    for number in range(50):
        records += traces.planted(20, seed=number).records
    path = audit(records[:10_000], budget=6000).to_html(tmp_path / "a.html")
    assert len(records) > 5000
    assert path.stat().st_size < 4_000_000


def test_replays_are_drawn_by_the_same_renderer(tmp_path, capsys):
    chat = [{"role": "system", "content": HOSTILE}]
    for i in range(30):
        chat += [
            {"role": "user", "content": f"question {i} {HOSTILE} " * 20},
            {"role": "assistant", "content": f"answer {i}"},
        ]
    trace, out = tmp_path / "chat.json", tmp_path / "replay.html"
    trace.write_text(json.dumps(chat))
    assert main(["replay", str(trace), "--budget", "8000", "--html", str(out)]) == 0
    shown = out.read_text(encoding="utf-8")
    assert "Content-Security-Policy" in shown and "<script" not in shown and "<img" not in shown
    assert shown.count("<polyline") >= 4 and "of the untrimmed bill" in shown
    assert "bill" in capsys.readouterr().out


def test_a_notebook_gets_the_same_without_script():
    shown = hostile_audit()._repr_html_()
    assert shown.startswith('<div class="ctxmem">') and "<script" not in shown


# In a browser


@pytest.mark.slow
@browser
@pytest.mark.parametrize("name", ["hostile", "window"])
def test_hostile_text_is_inert_in_a_browser(page_of, tmp_path, name):
    document, console = visit(page_of[name].resolve().as_uri(), tmp_path)
    assert f"<title>ctxmem {'audit' if name == 'hostile' else 'window'}</title>" in document
    assert "<img" not in document
    assert console == ""
    network = (tmp_path / "net.json").read_text(encoding="utf-8", errors="replace")
    assert len(network) > 1000 and "leak.example" not in network


HARNESS = """
const out = [];
const strip = document.querySelector('svg.strip');
for (const key of ['ArrowRight', 'ArrowRight', 'End', 'ArrowRight', 'Home'])
  strip.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
out.push(strip.nextElementSibling.textContent);
const chart = document.querySelector('svg.columns');
chart.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}));
out.push(chart.parentElement.nextElementSibling.textContent);
const buttons = Array.from(document.querySelectorAll('.filters button'));
buttons[1].click();
const cards = Array.from(document.querySelectorAll('.finding'));
out.push(cards.filter(c => !c.hidden).every(c => c.dataset.kind === buttons[1].dataset.kind));
out.push(cards.some(c => c.hidden));
out.push(buttons.filter(b => b.getAttribute('aria-pressed') === 'true').length);
dispatchEvent(new Event('beforeprint'));
out.push(Array.from(document.querySelectorAll('details')).every(d => d.open));
out.push(Array.from(document.querySelectorAll('[tabindex]')).every(e => e.tabIndex === 0));
out.push(document.documentElement.scrollWidth <= innerWidth);
document.body.dataset.result = JSON.stringify(out);
"""


SIDES = """
const out = [];
const sent = document.getElementById('sent2'), from = document.getElementById('from2');
const over = (part, type) => part.dispatchEvent(new PointerEvent(type, {bubbles: true}));
over(sent, 'pointerover');
out.push(from.classList.contains('at'), document.querySelectorAll('.at').length);
over(sent, 'pointerout');
out.push(document.querySelectorAll('.at').length);
over(from, 'pointerover');
out.push(sent.classList.contains('at'));
over(from, 'pointerout');
for (const card of document.querySelectorAll('details')) card.open = false;
sent.click();
out.push(from.closest('details').open);
for (const link of document.querySelectorAll('.sides a'))
  if (!document.getElementById(link.hash.slice(1))) out.push(link.hash);
out.push(document.documentElement.scrollWidth <= innerWidth);
document.body.dataset.result = JSON.stringify(out);
"""


@pytest.mark.slow
@browser
@pytest.mark.parametrize("width", [500, 1200])
def test_a_text_and_its_source_light_up_together(tmp_path, width):
    chunks = [Chunk("Notice is thirty days.", source="a"), Chunk("Fees are due.", source="b")]
    page_path = pack(chunks, 99).to_html(tmp_path / "w.html")
    shown = re.sub(r"<meta http-equiv=[^>]*>", "", page_path.read_text(encoding="utf-8"))
    driven = tmp_path / "driven.html"
    driven.write_text(shown.replace("</body>", f"<script>{SIDES}</script></body>"))
    document, console = visit(driven.resolve().as_uri(), tmp_path, f"--window-size={width},900")
    found = re.search(r'data-result="([^"]*)"', document)
    assert found, console
    assert json.loads(found[1]) == [True, 2, 0, True, True, True]


@pytest.mark.slow
@browser
@pytest.mark.parametrize("width", [380, 1200])
def test_the_page_works_by_keyboard_filters_and_prints(page_of, tmp_path, width):
    # The policy lets no script of a test run, so the copy that is driven has none.
    shown = page_of["hostile"].read_text(encoding="utf-8")
    shown = re.sub(r"<meta http-equiv=[^>]*>", "", shown)
    driven = tmp_path / "driven.html"
    driven.write_text(shown.replace("</body>", f"<script>{HARNESS}</script></body>"))
    document, console = visit(driven.resolve().as_uri(), tmp_path, f"--window-size={width},900")
    found = re.search(r'data-result="([^"]*)"', document)
    assert found, console
    strip, chart, filtered, hidden, pressed, opened, focus, fits = json.loads(
        found[1]
        .replace("&quot;", '"')
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
    )
    assert strip.startswith("1 of ")
    assert chart.startswith("call 1: ") and " tokens, " in chart
    assert (filtered, hidden, pressed, opened, focus, fits) == (True, True, 1, True, True, True)
