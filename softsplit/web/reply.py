"""The answer to an HTTP request: a body, and headers that let a browser only show it. Pure."""

from dataclasses import dataclass
from http import HTTPStatus

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
HTML = "text/html; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus text format
LOCKED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Connection": "close",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `policy` says what a browser may load for it."""

    status: HTTPStatus
    kind: str
    body: bytes
    policy: str = LOCKED

    @property
    def headers(self) -> dict[str, str]:
        more = {"Allow": "GET, HEAD"} if self.status is HTTPStatus.METHOD_NOT_ALLOWED else {}
        return {"Content-Type": self.kind, "Content-Length": str(len(self.body)), **HEADERS,
                "Content-Security-Policy": self.policy, **more}


def text(status: HTTPStatus, line: str) -> Reply:
    """Return an answer of one line."""
    return Reply(status, TEXT, f"{line}\n".encode(errors="replace"))


def refusal(status: HTTPStatus, why: str = "") -> Reply:
    """Return an error with its reason; nothing of the request is in it."""
    return text(status, f"{status.value} {status.phrase}{f': {why}' if why else ''}")
