"""A hub for the tests of hearth pull: serves one file, well or badly, on loopback.

    hub_server.py FILE

Prints its port.  The first part of a path says how it behaves; see BEHAVIOURS.  Requests are
written to FILE.log: method, path, Range, whether a token came.
"""

import hashlib
import http.server
import sys
import threading

DATA = open(sys.argv[1], "rb").read()
LOG = open(sys.argv[1] + ".log", "w", buffering=1)
SHA256 = hashlib.sha256(DATA).hexdigest()
TRIES = {}  # by path
OTHER = None  # the port of a second server: another host to whoever keeps secrets


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # clients go when they have heard enough


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body=b"", length=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # the client has heard enough

    def whole(self, data=DATA, etag=SHA256, send=None, length=None, ranges=True, headers=()):
        """data, from where the client asks, but only `send` bytes of it."""
        asked = self.headers.get("Range") if ranges else None
        begin = int(asked[len("bytes="):-1]) if asked else 0
        if begin >= len(data) and asked:
            return self.answer(416, {"Content-Range": f"bytes */{len(data)}"})
        extra = dict(headers) | ({"ETag": f'"{etag}"'} if etag else {})
        if asked:
            extra["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        body = data[begin:] if send is None else data[begin:begin + send]
        self.answer(206 if asked else 200, extra, body,
                    length=len(data) - begin if length is None else length)
        self.close_connection = send is not None or length is not None

    def do_GET(self):
        token = self.headers.get("Authorization", "-")
        LOG.write(f"GET {self.path} {self.headers.get('Range', '-')} {token.split()[-1]}\n")
        TRIES[self.path] = TRIES.get(self.path, 0) + 1
        part = self.path.split("/")[1]
        behaviour = BEHAVIOURS.get(part)
        if part == "owner":  # /owner/repo/resolve/main/FILE, as a hub answers
            linked = {"X-Linked-ETag": f'"{SHA256}"', "X-Linked-Size": str(len(DATA)),
                      "Location": f"http://127.0.0.2:{OTHER}/ok/model.gguf"}
            self.answer(302, linked)
        elif behaviour:
            behaviour(self, TRIES[self.path])
        else:
            self.answer(404, {})


def third(_=None):
    return len(DATA) // 3


BEHAVIOURS = {
    "ok": lambda self, tries: self.whole(),
    "plain": lambda self, tries: self.whole(etag=None),
    "drops": lambda self, tries: self.whole(send=third() if tries < 4 else None),
    "dead": lambda self, tries: self.whole(send=third() if tries == 1 else 0),
    "dies": lambda self, tries: self.whole(send=third()) if tries == 1 else self.answer(500, {}),
    "no-ranges": lambda self, tries: self.whole(send=third() if tries == 1 else None, ranges=False),
    "changes": lambda self, tries: self.whole(send=third(), etag="old") if tries == 1 else self.whole(),
    "short": lambda self, tries: self.whole(send=third(), length=third(), etag="x"),
    "long": lambda self, tries: self.whole(length=len(DATA) + 1000),
    "wrong": lambda self, tries: self.answer(
        200, {"X-Linked-ETag": "0" * 64, "X-Linked-Size": str(len(DATA))}, DATA),
    "other-size": lambda self, tries: self.answer(
        200, {"X-Linked-ETag": SHA256, "X-Linked-Size": str(len(DATA) + 5)}, DATA),
    "page": lambda self, tries: self.answer(200, {}, b"<html>please log in</html>"),
    "gated": lambda self, tries: self.whole() if "secret" in self.headers.get("Authorization", "")
    else self.answer(401, {}),
    "loop": lambda self, tries: self.answer(302, {"Location": self.path}),
    "to-file": lambda self, tries: self.answer(302, {"Location": "file:///etc/passwd"}),
    "busy": lambda self, tries: self.answer(503, {}) if tries < 3 else self.whole(),
}


def main():
    global OTHER
    other = Server(("127.0.0.2", 0), Handler)
    OTHER = other.server_port
    threading.Thread(target=other.serve_forever, daemon=True).start()
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
