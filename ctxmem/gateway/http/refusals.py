"""Errors of the gateway itself, in the form of the provider whose client asked."""

from __future__ import annotations

import json

from ctxmem.gateway.http.relay import Headers

ERROR_HEADER = b"x-ctxmem-error"
"""Shows clients and logs that an error is the gateway's and not the provider's."""

_ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
}
_REASONS = {
    400: "bad_request",
    401: "token_needed",
    403: "not_allowed",
    404: "no_upstream",
    405: "method_not_allowed",
    413: "request_too_large",
    414: "path_too_long",
    426: "no_websockets",
    431: "headers_too_large",
    502: "upstream_unreachable",
    503: "shutting_down",
}


def refusal(family: str, status: int, said: str) -> tuple[Headers, bytes]:
    """Return the headers and the body of an error; `family` is that of the client's path."""
    reason, message = _REASONS.get(status, "error"), f"ctxmem: {said}"
    error: dict[str, object]
    if family == "anthropic":
        kind = _ANTHROPIC.get(status, "api_error" if status >= 500 else "invalid_request_error")
        error = {"type": "error", "error": {"type": kind, "message": message}}
    else:
        kind = "api_error" if status >= 500 else "invalid_request_error"
        error = {"error": {"message": message, "type": kind, "param": None, "code": reason}}
    body = json.dumps(error).encode()
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (ERROR_HEADER, reason.encode()),
    ]
    if status in (413, 426, 431):  # the rest of the request is not read
        headers.append((b"connection", b"close"))
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="ctxmem"'))
    return headers, body
