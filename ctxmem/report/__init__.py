"""Show a person what was done, from plain data alone.

words     numbers, names and differences as a person reads them
drawing   windows and calls as SVG
page      the page around a report: style, script, policy
sides     a window beside its sources
windows   windows as text and HTML
audit_words, audit_text, audit_page
          audits in words, as text and as HTML
forgotten what left a window and was needed later, as text and HTML
blames    what was at fault in questions, as text and HTML
curves    shares over a budget as SVG
benches   comparisons with peers as HTML
quality   how much of the evidence windows keep, as HTML
requests  a request of `assemble`, as text and as HTML
replays   replayed conversations as HTML
"""

from ctxmem.report.audit_page import audit_html, audit_page
from ctxmem.report.audit_text import audit_text
from ctxmem.report.benches import bench_page
from ctxmem.report.blames import blame_html, blame_page, blame_plan_text, blame_text
from ctxmem.report.quality import quality_page
from ctxmem.report.replays import replay_page
from ctxmem.report.requests import request_html, request_page, request_text
from ctxmem.report.windows import proof_text, window_html, window_page, window_text
from ctxmem.report.words import first_words, passage_names, visible

__all__ = [
    "audit_html",
    "audit_page",
    "audit_text",
    "bench_page",
    "blame_html",
    "blame_page",
    "blame_plan_text",
    "blame_text",
    "first_words",
    "passage_names",
    "proof_text",
    "quality_page",
    "replay_page",
    "request_html",
    "request_page",
    "request_text",
    "visible",
    "window_html",
    "window_page",
    "window_text",
]
