"""An HTTP proxy in front of a service that can do harm at a chosen request: kill the client, refuse, or stay away."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}
NOT_COPIED = HOP_BY_HOP | {"content-length", "date", "server"}


@dataclass(frozen=True)
class Fault:
    """What a client gets instead of its answer: an error, or (`cut`) the first half of the answer and no more."""

    status: int = 0
    code: str = ""
    message: str = ""
    cut: bool = False

    def body(self, is_json: bool) -> bytes:
        """As S3 says it, or as the services do that speak JSON."""
        if is_json:
            return json.dumps({"__type": self.code, "message": self.message}).encode()
        head = '<?xml version="1.0" encoding="UTF-8"?>'
        return f"{head}<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>".encode()


STORAGE_FULL = Fault(507, "XMinioStorageFull", "Storage backend has reached its minimum free drive threshold.")
SLOW_DOWN = Fault(503, "SlowDown", "Please reduce your request rate.")
EXPIRED = Fault(400, "ExpiredToken", "The provided token has expired.")
CUT = Fault(cut=True)
# Sees (method, path) of each request before it is forwarded; a fault happens to that request.
Before = Callable[[str, str], Fault | None]


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
            fault = self.server.before(self.command, self.path)
        if fault is not None and not fault.cut:
            self._answer(fault.status, [], fault.body(bool(self.headers.get("X-Amz-Target"))))
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
                if fault is not None:
                    self._cut(answer.status, answer.getheaders(), content)
                    return
                self._answer(answer.status, answer.getheaders(), content)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, *, send: int | None = None) -> None:
        self.send_response(status)
        length = str(len(content))
        for name, value in headers:
            if name.lower() not in NOT_COPIED:
                self.send_header(name, value)
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content[:send])

    def _cut(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        """Send half of the answer and hang up, or nothing where it has no body: what was asked has been done."""
        if content:
            self._answer(status, headers, content, send=len(content) // 2)
            self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

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
