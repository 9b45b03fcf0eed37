"""An HTTP proxy in front of a service that can do harm at a chosen request: kill the client, refuse, or stay away."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}
NOT_COPIED = HOP_BY_HOP | {"content-length", "date", "server"}
STORAGE_FULL = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>XMinioStorageFull</Code>'
    b"<Message>Storage backend has reached its minimum free drive threshold.</Message></Error>"
)
# Sees (method, path) of each request before it is forwarded; bytes are sent instead, with status 507.
Before = Callable[[str, str], bytes | None]


class Server(ThreadingHTTPServer):
    """Knows its target; a client that is killed in the middle of a request is no error here."""

    daemon_threads = True

    def __init__(self, target: str, before: Before) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target: SplitResult = urlsplit(target)
        self.before = before
        self.turn = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: the tests look at what the client made of it."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def forward(self) -> None:
        body = self._body()
        with self.server.turn:
            instead = self.server.before(self.command, self.path)
        if instead is not None:
            self._answer(507, [], instead)
            return
        target = self.server.target
        with closing(http.client.HTTPConnection(target.hostname or "", target.port or 80, timeout=60)) as upstream:
            # The Host header stays the client's: it is part of what the client signed.
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP | {"content-length"}:
                    upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            with closing(upstream.getresponse()) as answer:
                content = answer.read()
                self._answer(answer.status, answer.getheaders(), content)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        length = str(len(content))
        for name, value in headers:
            if name.lower() not in NOT_COPIED:
                self.send_header(name, value)
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            continue
        return b"".join(parts)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def proxied(target: str, before: Before) -> Iterator[Server]:
    """A proxy that runs for the block."""
    server = Server(target, before)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
