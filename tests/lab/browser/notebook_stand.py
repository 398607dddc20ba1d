"""A notebook in small: a page with the real `widget.js` and a stand-in of anywidget's model, connected to a live widget
of this process over loopback, by the messages that a kernel and a notebook exchange."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kqv.notebook.view import View

pytest.importorskip("anywidget", reason='needs anywidget: pip install "kqv[notebook]"')
comm = pytest.importorskip("comm")

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>notebook</title><link rel="icon" href="data:,">
<style>body { margin: 12px; font: 13px serif } button { background: red } table { color: red } h2 { font-size: 99px }
body.dark { background: #111; color: #eee }</style>
<main><h1>A notebook</h1><div id="output"></div></main>
<script type="module">
import widget from "./widget.js";
const handlers = {};
const read = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
const tell = (name, ...given) => [...(handlers[name] ?? [])].forEach((handler) => handler(...given));
let state = {}, changed = {};
function take({ data, buffers }) {
  const parts = buffers.map(read);
  if (data.method === "custom") return tell("msg:custom", data.content, parts);
  for (const [at, path] of (data.buffer_paths ?? []).entries()) {
    let inner = data.state;
    for (const name of path.slice(0, -1)) inner = inner[name];
    inner[path.at(-1)] = parts[at];
  }
  const names = Object.keys(data.state);
  Object.assign(state, data.state);
  names.forEach((name) => tell(`change:${name}`));
}
async function exchange(content) {
  const answer = await fetch("./exchange", { method: "POST", body: JSON.stringify(content) });
  (await answer.json()).forEach(take);
}
const model = {
  get: (name) => state[name],
  set(name, value) { state[name] = value; changed[name] = value; tell(`change:${name}`); },
  save_changes() {
    void exchange({ method: "update", state: changed, buffer_paths: [] });
    changed = {};
  },
  on: (name, handler) => (handlers[name] ??= new Set()).add(handler),
  off: (name, handler) => handlers[name]?.delete(handler),
  send: (content) => void exchange({ method: "custom", content }),
};
await exchange(null);
setInterval(() => exchange({ method: "none" }), 150);
const made = await widget();
await made.initialize({ model });
await made.render({ model, el: document.getElementById("output") });
</script></html>"""


class Wire(comm.base_comm.BaseComm):
    """What a widget sends, kept until the page asks for it."""

    made: list[Wire] = []  # noqa: RUF012 - of one test

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
    ) -> None:
        """Keep a message, as JSON; a number that JSON has not fails here."""
        if not hasattr(self, "sent"):
            self.sent: list[dict[str, Any]] = []
            Wire.made.append(self)
        if msg_type in ("comm_open", "comm_msg"):
            raw = [base64.b64encode(bytes(part)).decode() for part in buffers or []]
            self.sent.append({"data": json.loads(json.dumps(data, allow_nan=False)), "buffers": raw})

    def taken(self) -> list[dict[str, Any]]:
        """What was sent since."""
        found, self.sent = self.sent, []
        return found


class Notebook:
    """A page that shows a widget."""

    def __init__(self, view: View) -> None:
        self.view, self.wire = view, view.comm
        notebook = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                script = str(view._esm) if self.path == "/widget.js" else PAGE
                kind = "text/javascript" if self.path == "/widget.js" else "text/html; charset=utf-8"
                self._say(script.encode(), kind)

            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self._say(json.dumps(notebook.exchange(content)).encode(), "application/json")

            def _say(self, content: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Nothing: it is a test."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server.server_port}/"

    def exchange(self, content: Any) -> list[dict[str, Any]]:
        """Hand a message to the widget, and give what it sent meanwhile; None opens a page anew."""
        with self.lock:
            if content is None:
                self.wire.taken()
                self.view.send_state()
            elif content["method"] != "none":
                self.view._handle_msg({"content": {"data": content}, "buffers": []})
            return list(self.wire.taken())

    def stop(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> None:
    """Widgets made in the test are connected by `Wire`."""
    monkeypatch.setattr(comm, "create_comm", lambda **given: Wire(**given))
