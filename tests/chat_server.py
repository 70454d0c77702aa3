"""A server on this machine that speaks OpenAI's chat completions and says what it is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def completion(content, tokens_in=100, tokens_out=50, **more):
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}
    choice = {"index": 0, "message": {"role": "assistant", "content": content}}
    return {"choices": [{**choice, "finish_reason": "stop"}], "usage": usage, **more}


class Server(ThreadingHTTPServer):
    """Answers with `replies` in order, the last for ever; keeps what it was asked.

    A reply is (status, body) or (status, body, headers), or a function of the request that gives
    one; a body is JSON unless it is bytes.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies, self.asked, self.released = [], [], threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request, client_address):
        """A client that has gone is no fault here."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format, *args):
        """Nothing is printed."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], request))
        i = min(len(self.server.asked), len(self.server.replies)) - 1
        reply = self.server.replies[i]
        status, body, *headers = reply(request) if callable(reply) else reply
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        sent = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        for name, value in {**sent, **(headers[0] if headers else {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving() -> Iterator[Server]:
    """A server that runs until it is left."""
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield made
        finally:
            made.released.set()
            made.shutdown()
            thread.join()
