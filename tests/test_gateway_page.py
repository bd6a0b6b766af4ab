"""The live page as it is answered, and how a browser is kept from anything else."""

from __future__ import annotations

import itertools
import json
import re
import socket
import threading
from pathlib import Path

import pytest
import uvicorn
from browser import browser, visit
from gateway_pages import HOSTILE, Clock, app_of, asked, facts

from ctxmem.gateway.page.routes import document_and_policy
from ctxmem.gateway.page.traffic import DRAWN, ROW, Traffic

# What is answered ---------------------------------------------------------------------------------


def test_the_state_is_answered_once_and_then_only_when_it_has_changed():
    traffic = Traffic(clock=Clock())
    app = app_of(traffic)
    first = asked(app, "/ctxmem/state.json")
    assert first.status_code == 200 and first.json()["about"]["mode"] == "observe"
    again = f"/ctxmem/state.json?have={first.json()['version']}"
    assert asked(app, again).status_code == 204
    traffic.note(facts())
    assert asked(app, again).json()["sums"]["requests"] == 1
    [talk] = traffic.state()["conversations"]
    detail = asked(app, f"/ctxmem/conversations/{talk['id']}.json").json()
    assert detail["columns"] == list(ROW) and len(detail["rows"]) == 1


@pytest.mark.parametrize("path", ["/ctxmem/", "/ctxmem/state.json", "/ctxmem/nothing", "/ctxmem"])
def test_every_answer_has_the_headers_that_keep_a_browser_from_more(path):
    headers = asked(app_of(Traffic()), path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    if path != "/ctxmem":
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed_through_the_page(method):
    app = app_of(Traffic())
    for path in ("/ctxmem/", "/ctxmem/state.json", "/ctxmem/conversations/0123456789ab.json"):
        assert asked(app, path, method).status_code == 405


def test_the_page_and_its_data_are_behind_the_gateways_door():
    app = app_of(Traffic(), host="0.0.0.0", token="right-" * 3)
    for path in ("/ctxmem/", "/ctxmem/state.json"):
        assert asked(app, path).status_code == 401
        assert asked(app, path, x_ctxmem_token="wrong").status_code == 401
        assert asked(app, path, x_ctxmem_token="right-" * 3).status_code == 200
    local = app_of(Traffic())
    assert asked(local, "/ctxmem/", host="evil.example").status_code == 403
    assert asked(local, "/ctxmem/state.json", sec_fetch_site="cross-site").status_code == 403


def test_the_policy_lets_our_style_and_script_run_and_nothing_else():
    document, policy = document_and_policy()
    assert "unsafe" not in policy and "http" not in policy
    assert policy.count("'sha256-") == 2
    assert document.count("<script") == document.count("<style") == 1
    assert not re.search(r"\son\w+=|\sstyle=|javascript:|https?://", document.split("<style>")[0])
    body = document[document.index("<body>") : document.index("<script>")]
    assert not re.search(r"\son\w+=|\sstyle=|https?://", body)
    script = document[document.index("<script>") :]
    for written in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert written not in script


def test_everything_in_the_page_has_a_name():
    document, _ = document_and_policy()
    ids = set(re.findall(r'\sid="([^"]+)"', document))
    for labelled in re.findall(r'(?:aria-labelledby|for)="([^"]+)"', document):
        assert labelled in ids
    for section in re.findall(r"<section[^>]*>", document):
        assert "aria-labelledby" in section
    assert document.count("<h1") == document.count("<main") == 1


# Colours ------------------------------------------------------------------------------------------

_MIXED = {  # how people see who lack one kind of cone (Machado, Oliveira, Fernandes 2009)
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear(colour):
    digits = colour.lstrip("#")
    digits = "".join(2 * c for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def contrast(a, b):
    light, dark = sorted(
        (sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) + 0.05
         for c in (a, b)),
        reverse=True,
    )  # fmt: skip
    return light / dark


def lab(parts):
    r, g, b = parts
    x, y, z = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883,
    )
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.fixture(params=["light", "dark"])
def colours(request):
    style = document_and_policy()[0]
    blocks = re.findall(r":root\{([^}]*)\}", style)
    assert len(blocks) == 2
    found = {}
    for block in blocks[: 1 + (request.param == "dark")]:
        found.update(re.findall(r"--(\w+):(#\w+)", block))
    return found


def test_text_has_contrast(colours):
    for ground in ("page", "card", "pale"):
        for ink in ("ink", "soft", "good", "bad"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def test_parts_are_told_apart_whatever_colours_a_person_sees(colours):
    drawn = {name: linear(colours[name]) for name in DRAWN}
    for name in DRAWN:
        assert contrast(colours[name], colours["card"]) >= 3, name
    for kind, rows in _MIXED.items():
        seen = {
            name: lab(
                [
                    min(1, max(0, sum(m * p for m, p in zip(row, parts, strict=True))))
                    for row in rows
                ]
            )
            for name, parts in drawn.items()
        }
        for a, b in itertools.combinations(DRAWN, 2):
            apart = sum((x - y) ** 2 for x, y in zip(seen[a], seen[b], strict=True)) ** 0.5
            assert apart >= 15, (kind, a, b)


# In a browser -------------------------------------------------------------------------------------


class Served:
    """A gateway in a thread, at an address that a browser can open."""

    def __init__(self, app) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        self._thread = threading.Thread(target=self._server.run, args=([self._listening],))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join()
        self._listening.close()


def hostile_traffic():
    traffic = Traffic(show_text=True)
    for number in range(40):
        traffic.note(
            facts(
                f"{HOSTILE}{number % 3}",
                model=HOSTILE,
                question=HOSTILE * 3,
                passed_through=HOSTILE,
                fault=HOSTILE if number % 9 == 0 else "",
                edit=True,
                edit_reason=HOSTILE,
                budget=500,
                bill_sent=100.0 + number,
                bill_through=120.0 + number,
                bill_uncached=400.0,
                recall_calls=1,
                findings=[{"kind": HOSTILE, "refused": True, "advice": HOSTILE}],
            )
        )
    return traffic


@pytest.mark.slow
@browser
def test_hostile_texts_are_inert_in_a_browser(tmp_path):
    with Served(app_of(hostile_traffic(), show_text=True, mode="manage")) as served:
        document, console = visit(f"{served.address}/ctxmem/", tmp_path, milliseconds=4000)
    assert "<title>ctxmem gateway</title>" in document
    assert "&lt;/script&gt;&lt;img src=http://leak.example" in document
    assert "<img" not in document
    assert console == ""
    network = (tmp_path / "net.json").read_text(encoding="utf-8", errors="replace")
    assert len(network) > 1000 and "leak.example" not in network
    assert "favicon" not in network  # it would be asked of the provider


HARNESS = """
(async () => {
const pause = seconds => new Promise(done => setTimeout(done, 1000 * seconds));
while (!document.querySelector('#strip svg')) await pause(0.05);
const out = [], $ = id => document.getElementById(id);
out.push(document.documentElement.scrollWidth <= innerWidth);
const press = key => $('strip').dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
press('Home');
out.push($('readout').textContent.slice(0, 14));
press('ArrowRight');
out.push($('strip').getAttribute('aria-valuenow'), $('strip').getAttribute('aria-valuemax'));
const rows = Array.from(document.querySelectorAll('#talks tbody tr'));
const button = rows[rows.length - 1].querySelector('button'), key = button.dataset.key;
button.focus();
button.click();
while (!$('said').textContent.startsWith(key)) await pause(0.05);
out.push(document.activeElement.dataset.key === key);
out.push(document.querySelectorAll('#talks tr.at').length);
$('pause').click();
out.push($('pause').getAttribute('aria-pressed'), $('live').textContent);
out.push(Array.from(document.querySelectorAll('th')).every(head => head.scope));
out.push(Array.from(document.querySelectorAll('table')).every(one => one.caption.textContent));
document.body.dataset.result = JSON.stringify(out);
})();
"""


@pytest.mark.slow
@browser
@pytest.mark.parametrize("width", [400, 900, 1440])
def test_the_page_works_by_keyboard_at_every_width(tmp_path, monkeypatch, width):
    # The policy lets no script of a test run, so the page that is driven has another one.
    document, policy = document_and_policy()
    driven = document.replace("</body>", f"<script>{HARNESS}</script></body>")
    monkeypatch.setattr(
        "ctxmem.gateway.page.routes.document_and_policy",
        lambda: (driven, re.sub("script-src '[^']*'", "script-src 'unsafe-inline'", policy)),
    )
    with Served(app_of(hostile_traffic(), show_text=True, mode="manage")) as served:
        shown, console = visit(
            f"{served.address}/ctxmem/", tmp_path, f"--window-size={width},900", milliseconds=4000
        )
    found = re.search(r'data-result="([^"]*)"', shown)
    assert found, console
    assert json.loads(found[1].replace("&quot;", '"')) == [
        *(True, "request 1 of 1", "2", "14"),
        *(True, 1, "true", "paused", True, True),
    ]


@pytest.mark.slow
@browser
def test_the_empty_page_says_how_to_point_a_client_here(tmp_path):
    with Served(app_of(Traffic())) as served:
        document, console = visit(f"{served.address}/ctxmem/", tmp_path, milliseconds=4000)
        assert f'OpenAI(base_url="{served.address}/v1")' in document
        assert f"ANTHROPIC_BASE_URL={served.address} claude" in document
        assert 'wire_api = "responses"' in document
    assert re.search(r'<section id="empty" class="card" aria-labelledby', document)
    assert console == ""


def test_the_assets_are_in_the_package():
    project = Path(__file__).parents[1] / "pyproject.toml"
    assert '"gateway/page/assets/*"' in project.read_text(encoding="utf-8")
