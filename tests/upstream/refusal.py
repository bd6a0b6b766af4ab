"""Errors in the shape in which the providers send them."""

from __future__ import annotations

from dataclasses import dataclass

# platform.claude.com/docs/en/api/errors
ANTHROPIC_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
# developers.openai.com/api/docs/guides/error-codes
OPENAI_KINDS = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "invalid_request_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "requests",
    500: "server_error",
    503: "server_error",
    529: "server_error",
}


@dataclass
class Refusal(Exception):
    """A request that is refused: status, what is said, and OpenAI's `param` and `code`."""

    message: str
    status: int = 400
    param: str | None = None
    code: str | None = None

    def body(self, api: str, request_id: str) -> dict:
        """Return the error in the shape of the API."""
        if api in ("messages", "count_tokens", "anthropic"):
            kind = ANTHROPIC_KINDS.get(self.status, "api_error")
            error = {"type": kind, "message": self.message}
            return {"type": "error", "error": error, "request_id": request_id}
        kind = OPENAI_KINDS.get(self.status, "server_error")
        return {
            "error": {
                "message": self.message,
                "type": kind,
                "param": self.param,
                "code": self.code,
            }
        }
