"""Walks a container through pages in headless Chromium with every host but the page's own unreachable."""

from __future__ import annotations

import html
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cortex.errors import ConfigError, CortexError
from cortex.handoff import sources
from cortex.handoff.elements import Json

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
LONGEST = 90
"""Seconds a walk may take; on two busy cores it takes four."""


@dataclass(frozen=True)
class Page:
    """One page of a walk. pushes: what the shop tells the data layer on it, in order, after it has loaded."""

    path: str
    pushes: Sequence[Mapping[str, Any]] = field(default=())


def find() -> str:
    """The browser: CORTEX_CHROMIUM, else one on the PATH. Raises ConfigError (CTX-3403) that says what to install."""
    named = os.environ.get("CORTEX_CHROMIUM", "")
    for name in [named] if named else [*NAMES, *PLACES]:
        found = shutil.which(name)
        if found:
            return found
    raise ConfigError(
        "CTX-3403",
        f"CORTEX_CHROMIUM names {named}, which is no program." if named else "No Chromium or Chrome was found.",
        fix="Debian, Ubuntu: apt-get install chromium · Fedora: dnf install chromium · macOS: brew install --cask chromium"
        " · or name one: CORTEX_CHROMIUM=/path/to/chrome",
    )


def walk(container: Json, visits: Mapping[str, Sequence[Page]]) -> dict[str, list[Json]]:
    """What each page of each visit saw: tags, pixel calls, cookies, order attributes, foreign hosts.

    A visit begins without cookies; its pages share them. Raises ConfigError without a browser, CortexError (CTX-3404)
    when the browser gives no answer.
    """
    browser = find()
    site = {
        "/start": _start(visits),
        "/runtime.js": sources.raw("gtm/rehearsal.js"),
        "/container.js": f"window.CONTAINER = {sources.literal(container)};",
    }
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        return answer(browser, f"http://127.0.0.1:{server.server_port}/start")
    finally:
        server.shutdown()
        server.server_close()


_PAGE = '<!doctype html><meta charset="utf-8"><body><script src="/container.js"></script><script src="/runtime.js"></script>'

_DRIVER = """<!doctype html><meta charset="utf-8"><body><script>
var visits = @visits, out = {}, queue = [];
Object.keys(visits).forEach(function (name) {
  out[name] = [];
  visits[name].forEach(function (page, at) { queue.push([name, page, at]); });
});
function forget() {
  document.cookie.split('; ').forEach(function (pair) { document.cookie = pair.split('=')[0] + '=; path=/; max-age=0'; });
}
function next() {
  if (!queue.length) {
    var pre = document.createElement('pre');
    pre.id = 'out';
    pre.textContent = JSON.stringify(out);
    document.body.appendChild(pre);
    return;
  }
  var one = queue.shift();
  if (one[2] === 0) { forget(); }
  window.CTX_PAGE = one[1];
  var frame = document.createElement('iframe');
  frame.onload = function () {
    out[one[0]].push(frame.contentWindow.RECORD());
    document.body.removeChild(frame);
    next();
  };
  frame.src = one[1].path;
  document.body.appendChild(frame);
}
next();
</script>"""


def _start(visits: Mapping[str, Sequence[Page]]) -> str:
    plan = {
        name: [{"path": page.path, "pushes": list(page.pushes)} for page in pages] for name, pages in visits.items()
    }
    return _DRIVER.replace("@visits", sources.literal(plan))


def _handler(site: Mapping[str, str]) -> type[http.server.BaseHTTPRequestHandler]:
    class Site(http.server.BaseHTTPRequestHandler):
        """The driver, the runtime and the container; every other address is a page of the shop."""

        def do_GET(self) -> None:  # the name the library calls
            path = self.path.partition("?")[0]
            content = site.get(path, _PAGE).encode()
            self.send_response(200)
            kind = "text/javascript" if path.endswith(".js") else "text/html"
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Site


def answer(browser: str, address: str) -> dict[str, list[Json]]:
    """The JSON a page of ours writes into `<pre id="out">`, from one start of the browser. Raises CortexError (CTX-3404)."""
    with (
        tempfile.TemporaryDirectory(prefix="cortex-browser-", ignore_cleanup_errors=True) as profile,
        subprocess.Popen(  # noqa: S603  # the browser the user has, on our own page
            [*_command(browser, profile), address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as started,
    ):
        try:
            out, err = started.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            # A page that never ends holds a process of its own: all of them go.
            os.killpg(started.pid, signal.SIGKILL)
            raise _silent(f"did not finish within {LONGEST} seconds") from None
    found = re.search(r'<pre id="out">(.*?)</pre>', out, re.DOTALL)
    if not found:
        last = next((line for line in reversed(err.splitlines()) if line.strip()), "")
        raise _silent(f"ended with {started.returncode} and no answer ({last[:160]})" if last else "gave no answer")
    said: dict[str, list[Json]] = json.loads(html.unescape(found[1]))
    return said


def _command(browser: str, profile: str) -> list[str]:
    command = [
        browser,
        "--headless",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile}",
        "--virtual-time-budget=20000",
        "--dump-dom",
    ]
    # Chromium refuses its sandbox to root.
    return [*command, "--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else command


def _silent(what: str) -> CortexError:
    return CortexError("CTX-3404", f"The browser {what}.", fix="Run it again; CORTEX_CHROMIUM names another browser.")
