"""The page around a report: one file, nothing fetched, nothing run but our own few lines.

Every text is hostile: all of it goes through `escape`. The policy names the hashes of our style and
our script, so that no other would run even if one got in.
"""

from __future__ import annotations

import base64
import hashlib

STYLE = (
    """
.ctxmem{--ink:#1b2025;--soft:#57616b;--line:#dde2e7;--page:#f7f8f9;--card:#fff;--pale:#eef1f4;
--new:#3f76c9;--stable:#a9b8c7;--repeat:#d92c2c;--resent:#ef7d00;--version:#9036ad;--overlap:#0b8a9a;
--lost:#e0ac00;--boilerplate:#7c8792;--good:#1a7f4b;--mark:#ffe08a;--focus:#1f5fd0;
font:15px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif;color:var(--ink);
background:var(--page);max-width:70rem;overflow-wrap:anywhere}
@media (prefers-color-scheme:dark){.ctxmem{--ink:#e7ecf1;--soft:#a5b0bb;--line:#2d353e;
--page:#101418;--card:#181d23;--pale:#222931;--new:#6ba0ee;--stable:#53636f;--repeat:#ff6b5e;
--resent:#ffa23e;--version:#cf86e6;--overlap:#3fc1d0;--lost:#f0c33c;--boilerplate:#8d98a4;
--good:#58c98b;--mark:#6b5200;--focus:#8bb8ff}}
.ctxmem h1{font-size:1.05rem;font-weight:600;margin:0;color:var(--soft)}
.ctxmem h2{font-size:1.2rem;margin:2.2em 0 .3em;letter-spacing:-.01em}
.ctxmem h3{font-size:1rem;margin:1.4em 0 .2em}
.ctxmem p{margin:.3em 0}
.ctxmem .soft,.ctxmem figcaption,.ctxmem caption{color:var(--soft)}
.ctxmem .hero{font-size:2rem;line-height:1.2;font-weight:650;letter-spacing:-.02em;
margin:.25em 0 .3em;max-width:34em;text-wrap:balance}
.ctxmem .hero b{color:var(--repeat)}
.ctxmem .hero b.fine{color:var(--good)}
.ctxmem .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.3rem,1fr));gap:.7rem;
margin:1.2rem 0;padding:0;list-style:none}
.ctxmem .tiles li{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:.7rem .9rem}
.ctxmem .tiles b{display:block;font-size:1.45rem;font-weight:620;letter-spacing:-.02em;
font-variant-numeric:tabular-nums}
.ctxmem .tiles span{color:var(--soft);font-size:.86rem;display:block;line-height:1.35}
.ctxmem .card{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:1rem 1.1rem;margin:.8rem 0}
.ctxmem svg{display:block;width:100%}
.ctxmem .bar{height:1.25rem;border-radius:4px}
.ctxmem .strip{height:3.4rem}
.ctxmem :is(.columns,.stack){height:8rem;border-bottom:1px solid var(--line)}
.ctxmem .kept{height:1.4rem}
.ctxmem .strip g:hover .seg,.ctxmem .strip g.at .seg{stroke:var(--ink);stroke-width:2}
.ctxmem .seg,.ctxmem .free{stroke:var(--card);stroke-width:1;vector-effect:non-scaling-stroke}
.ctxmem .free{fill:var(--pale)}
.ctxmem .budget{stroke:var(--repeat);stroke-width:1.5;stroke-dasharray:5 4;
vector-effect:non-scaling-stroke;fill:none}
.ctxmem .m-new{fill:var(--new)}.ctxmem .m-stable{fill:var(--stable)}
.ctxmem .m-repeat{fill:var(--repeat)}.ctxmem .m-resent{fill:var(--resent)}
.ctxmem .m-version{fill:var(--version)}.ctxmem .m-overlap{fill:var(--overlap)}
.ctxmem .m-lost{fill:var(--lost)}.ctxmem .m-boilerplate{fill:var(--boilerplate)}
.ctxmem .p-system{fill:#5b7fb5}.ctxmem .p-tools{fill:#8f6fb8}.ctxmem .p-history{fill:#7fa7a0}
.ctxmem .p-tool_calls{fill:#b86f9b}.ctxmem .p-tool_results{fill:#c08a4a}
.ctxmem .p-passages{fill:#5d9c5a}.ctxmem .p-question{fill:#c9b458}.ctxmem .p-images{fill:#c0605a}
.ctxmem .p-files{fill:#a0785a}.ctxmem .p-sound{fill:#6a9fc0}.ctxmem .p-thoughts{fill:#9a9a6a}
.ctxmem .p-overhead{fill:#98a2ac}.ctxmem .p-rules{fill:#c46a6a}.ctxmem .p-memory{fill:#5aa6bd}
.ctxmem .p-code{fill:#b08b3e}
.ctxmem .parts th[scope=row]{white-space:nowrap}.ctxmem .parts td.wide{width:40%}
.ctxmem .plot{height:auto}
.ctxmem .plot text{font-size:12px;fill:var(--soft)}
.ctxmem .plot .grid{stroke:var(--line)}
.ctxmem .line[class]{fill:none;stroke-width:1.8}
.ctxmem .line.m-new{stroke:var(--new)}.ctxmem .line.m-resent{stroke:var(--resent)}
.ctxmem .line.m-overlap{stroke:var(--overlap)}.ctxmem .line.m-version{stroke:var(--version)}
.ctxmem .line.m-repeat{stroke:var(--repeat)}.ctxmem .line.m-lost{stroke:var(--lost)}
.ctxmem .line.m-boilerplate{stroke:var(--boilerplate)}
.ctxmem .line.ours[class]{stroke-width:3.2}.ctxmem .line.thin[class]{stroke-width:1;opacity:.45}
.ctxmem .line.lead[class]{stroke-width:1}
.ctxmem .chart{position:relative;margin-top:.5rem}
.ctxmem .chart .top,.ctxmem .chart .axis{color:var(--soft);font-size:.78rem;line-height:1.2;
display:block}
.ctxmem .chart .axis{margin-top:.45rem}
.ctxmem .card h3{margin-top:0;display:flex;flex-wrap:wrap;gap:0 1em;justify-content:space-between}
.ctxmem h3 .soft{font-weight:400}
.ctxmem .readout:empty{display:none}
.ctxmem .readout{min-height:2.9em;font-size:.88rem;color:var(--soft);margin:.3em 0 0;
white-space:pre-line;overflow-wrap:anywhere}
.ctxmem .key{list-style:none;display:flex;flex-wrap:wrap;gap:.15rem 1.1rem;padding:0;
margin:.5rem 0;font-size:.88rem;color:var(--soft)}
.ctxmem .dot{display:inline-block;width:.75em;height:.75em;margin-right:.4em;border-radius:2px;
vertical-align:-.03em}
.ctxmem table{border-collapse:collapse;width:100%;font-size:.92rem}
.ctxmem caption{text-align:left;padding-bottom:.4em}
.ctxmem th,.ctxmem td{text-align:left;padding:.3em .9em .3em 0;border-bottom:1px solid var(--line);
vertical-align:top;font-weight:400;overflow-wrap:anywhere}
.ctxmem thead th{color:var(--soft);font-size:.86rem}
.ctxmem .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.ctxmem td.s{white-space:nowrap}
.ctxmem td.wide{width:60%;vertical-align:middle}
.ctxmem .scroll{overflow-x:auto}.ctxmem .scroll table{min-width:36rem}
.ctxmem .scroll :is(th,td){overflow-wrap:break-word}
.ctxmem .reached :is(th,td){overflow-wrap:break-word}
.ctxmem .peers tbody th{width:30%}.ctxmem .peers td.wide{width:25%}
.ctxmem pre,.ctxmem code{font:.88em/1.5 ui-monospace,"SF Mono",Menlo,Consolas,monospace}
.ctxmem pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--pale);padding:.7em .9em;
border-radius:8px;margin:.3em 0;max-height:22em;overflow:auto}
.ctxmem mark{background:var(--mark);color:inherit;border-radius:2px;padding:0 .1em}
.ctxmem .beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:.8rem}
.ctxmem figure{margin:.4em 0}
.ctxmem figcaption{font-size:.86rem}
.ctxmem:has(.sides){max-width:92rem}
.ctxmem .sides{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:1.6rem;
margin-top:.8rem}
.ctxmem .sides>section{max-height:88vh;overflow:auto;padding:0 .3rem .3rem;scroll-padding:4rem}
.ctxmem .sides h2{position:sticky;top:0;z-index:1;background:var(--page);margin:0;padding:.3em 0}
.ctxmem .piece,.ctxmem .source{background:var(--card);border:1px solid var(--line);
border-left:5px solid var(--hue,var(--boilerplate));border-radius:6px;margin:.6rem 0;
padding:.5rem .9rem .7rem}
.ctxmem .piece h3{font-size:.82rem;font-weight:500;margin:0 0 .4em;color:var(--soft)}
.ctxmem .sides a{color:inherit}
.ctxmem .text{white-space:pre-wrap;overflow-wrap:anywhere;
font:.86rem/1.55 ui-monospace,"SF Mono",Menlo,Consolas,monospace}
.ctxmem .added,.ctxmem .out{color:var(--soft)}
.ctxmem .added{font-style:italic}
.ctxmem .between{padding:0 1rem}
.ctxmem .source summary{padding:0}
.ctxmem .source summary h3{margin:0;font-size:.95rem}
.ctxmem .source summary .n{color:var(--soft);font-size:.86rem}
.ctxmem .source .text{border-left:1px solid var(--line);padding-left:.7rem}
.ctxmem .gap{font-size:.82rem}
.ctxmem .sides mark{padding:0}
.ctxmem [data-run]{cursor:pointer}
.ctxmem [data-run].at,.ctxmem [data-run]:target{background:var(--mark);
outline:2px solid var(--focus);border-radius:2px}
"""
    + "".join(f".ctxmem .c{i}{{--hue:hsl({i * 137 % 360} 52% 62%)}}" for i in range(12))
    + """
.ctxmem .decisions td:first-child{width:38%}.ctxmem .decisions .n{width:4.5rem}
.ctxmem .legend mark{color:var(--ink)}
.ctxmem details{border-bottom:1px solid var(--line)}
.ctxmem details[hidden]{display:none}
.ctxmem summary{cursor:pointer;padding:.5em .2em;display:flex;gap:.7em;align-items:baseline}
.ctxmem summary::-webkit-details-marker{display:none}
.ctxmem summary::before{content:"\\25B8";color:var(--soft);flex:none}
.ctxmem details[open]>summary::before{content:"\\25BE"}
.ctxmem summary .title{flex:1;overflow-wrap:anywhere}
.ctxmem .inside{padding:0 .2em 1em 1.6em}
.ctxmem .chip{flex:none;font-size:.8rem;border:1px solid var(--line);border-radius:99px;
padding:.05em .65em;color:var(--soft);background:var(--pale)}
.ctxmem .filters{display:flex;flex-wrap:wrap;gap:.4rem;margin:.6rem 0}
.ctxmem button{font:inherit;font-size:.88rem;color:var(--ink);background:var(--card);
border:1px solid var(--line);border-radius:99px;padding:.25em .9em;cursor:pointer}
.ctxmem button[aria-pressed=true]{background:var(--ink);color:var(--card);border-color:var(--ink)}
.ctxmem :focus-visible{outline:2px solid var(--focus);outline-offset:2px;border-radius:3px}
.ctxmem .change{display:grid;grid-template-columns:1fr auto;gap:.1rem 1rem;padding:.7rem 0;
border-bottom:1px solid var(--line)}
.ctxmem .change:last-child{border:0}
.ctxmem .change pre{grid-column:1/-1}
.ctxmem .change .bar{grid-column:1/-1;height:.35rem;margin:.2rem 0}
.ctxmem footer{margin:3rem 0 1rem;font-size:.88rem}
@media (max-width:45rem){.ctxmem .n,.ctxmem td.s{white-space:normal}
.ctxmem .parts .n{white-space:nowrap}.ctxmem .parts :is(.wide,thead th:last-child){display:none}
.ctxmem .hero{font-size:1.5rem}.ctxmem .change{grid-template-columns:1fr}
.ctxmem .change .n{text-align:left}.ctxmem summary{flex-wrap:wrap}
.ctxmem .beside,.ctxmem .sides{grid-template-columns:minmax(0,1fr)}
.ctxmem .sides>section{max-height:none}}
@media print{.ctxmem{--page:#fff;max-width:none;print-color-adjust:exact;
-webkit-print-color-adjust:exact}.ctxmem .filters,.ctxmem .readout{display:none}
.ctxmem .card,.ctxmem .change,.ctxmem .tiles li{break-inside:avoid}
.ctxmem pre,.ctxmem .sides>section{max-height:none}}
@media (prefers-reduced-motion:no-preference){.ctxmem button{transition:background .15s}}
"""
)

_BODY_STYLE = """
body{margin:0;background:#f7f8f9}
main.ctxmem{margin:0 auto;padding:2rem 1.25rem}
@media (prefers-color-scheme:dark){body{background:#101418}}
@media print{body{background:#fff}}
"""

SCRIPT = """
'use strict';
const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
for (const button of all('.filters button')) {
  button.addEventListener('click', () => {
    for (const other of all('.filters button'))
      other.setAttribute('aria-pressed', String(other === button));
    const kind = button.dataset.kind;
    for (const card of all('.finding')) card.hidden = kind !== '' && card.dataset.kind !== kind;
  });
}
const move = (event, at, count) => {
  const step = {ArrowRight: 1, ArrowLeft: -1, Home: -count, End: count}[event.key];
  if (step === undefined || count === 0) return -1;
  event.preventDefault();
  return Math.max(0, Math.min(count - 1, at + step));
};
for (const strip of all('svg.strip')) {
  const parts = all('g', strip), readout = strip.nextElementSibling;
  let at = -1;
  const show = index => {
    if (parts[at]) parts[at].classList.remove('at');
    at = index;
    if (!parts[at]) return;
    parts[at].classList.add('at');
    readout.textContent = (at + 1) + ' of ' + parts.length + ': ' +
      parts[at].querySelector('title').textContent;
  };
  strip.addEventListener('keydown', event => {
    const next = move(event, at, parts.length);
    if (next >= 0) show(next);
  });
  parts.forEach((part, index) => part.addEventListener('pointerenter', () => show(index)));
}
for (const chart of all('svg.columns')) {
  const rows = chart.dataset.rows.split(';').map(row => row.split(','));
  const readout = chart.parentElement.nextElementSibling;
  const number = text => Number(text).toLocaleString('en-US');
  let at = -1;
  const show = index => {
    at = index;
    const [calls, tokens, stable, repeated, lost] = rows[at];
    readout.textContent = 'call ' + calls + ': ' + number(tokens) + ' tokens, ' +
      number(stable) + ' as in the call before, ' + number(repeated) + ' repeated, ' +
      number(lost) + ' behind what changed';
  };
  chart.addEventListener('keydown', event => {
    const next = move(event, at, rows.length);
    if (next >= 0) show(next);
  });
  chart.addEventListener('pointermove', event => {
    const box = chart.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    show(Math.max(0, Math.min(rows.length - 1, Math.floor(share * rows.length))));
  });
}
const light = (target, on) => {
  const run = target.closest && target.closest('[data-run]');
  if (run) for (const other of all('[data-run="' + run.dataset.run + '"]'))
    other.classList.toggle('at', on);
  return run;
};
addEventListener('pointerover', event => light(event.target, true));
addEventListener('pointerout', event => light(event.target, false));
addEventListener('click', event => {
  const run = light(event.target, true);
  if (!run || String(getSelection())) return;
  const side = run.id.startsWith('sent') ? 'from' : 'sent';
  const other = document.getElementById(side + run.dataset.run);
  if (!other) return;
  const closed = other.closest('details');
  if (closed) closed.open = true;
  other.scrollIntoView({block: 'nearest'});
});
addEventListener('beforeprint', () => {
  for (const card of all('details')) card.open = true;
});
"""


def fragment(body: str) -> str:
    """Return a report for a notebook: style and body, no script."""
    return f'<div class="ctxmem"><style>{STYLE}</style>{body}</div>'


def page(title: str, body: str, *, script: bool = False) -> str:
    """Return a report as one self-contained HTML page; `title` and `body` are HTML already."""
    style = STYLE + _BODY_STYLE
    runs = f"; script-src '{_hash(SCRIPT)}'" if script else ""
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'{runs}; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{style}</style></head>"
        f'<body><main class="ctxmem">{body}</main>'
        f"{f'<script>{SCRIPT}</script>' if script else ''}</body></html>\n"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
