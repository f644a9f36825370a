"""A real browser, driven by DevTools messages through a pipe, for the pages of a report."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """A headless Chromium with one tab: `open` a page, then `evaluate`, `picture` or `pdf` it.

    said: what the page's console had to say since it was opened.
    """

    def __init__(self, program, folder):
        """program: path of it. folder: of its profile."""
        command = [program, "--headless=new", "--remote-debugging-pipe", "--disable-gpu",
                   "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
                   f"--user-data-dir={folder}", "about:blank"]  # fmt: skip
        if os.getuid() == 0:  # which a container's only user is, as a rule
            command.insert(1, "--no-sandbox")
        ours, its = zip(*(os.pipe() for _ in range(2)))
        (asked, self._out), (self._in, told) = (ours[0], its[0]), (ours[1], its[1])
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (asked, told)]  # 3 and 4 may be these
        quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
        moved = [(os.POSIX_SPAWN_DUP2, fd, at) for fd, at in zip(high, (3, 4))]
        self._process = os.posix_spawn(
            program,
            command,
            os.environ | {"TMPDIR": str(folder)},
            file_actions=quiet + moved,
            setpgroup=0,
        )
        for fd in (asked, told, *high):
            os.close(fd)
        self._count, self._bytes, self._events, self.said = 0, b"", [], []
        self._session = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        found = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        self._call("Page.setLifecycleEventsEnabled", enabled=True)

    def open(self, path, *, width, scheme="light", media="screen"):
        """The page of a file, in a window of so many CSS pixels."""
        # a phone's browser goes by the page's viewport
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", **screen)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._call("Emulation.setEmulatedMedia", media=media, features=[feature])
        self._events.clear()
        self.said.clear()
        loader = self._call("Page.navigate", url=path.absolute().as_uri())["loaderId"]
        loaded = lambda event: (
            event["method"] == "Page.lifecycleEvent"
            and (event["params"]["name"], event["params"]["loaderId"]) == ("load", loader)
        )
        while not any(map(loaded, self._events)):
            self._events.append(self._read())

    def evaluate(self, expression):
        """What a JavaScript expression is, through JSON; a promise is waited for."""
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)  # fmt: skip
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        for event in self._events:
            if event["method"] in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown",
                                   "Log.entryAdded"):  # fmt: skip
                self.said.append(event["params"])
        self._events.clear()
        return found["result"].get("value")

    def picture(self):
        """PNG of the whole page."""
        shown = self._call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shown["data"])

    def pdf(self):
        """The page as it is printed."""
        self._call("Emulation.setEmulatedMedia", media="")
        return base64.b64decode(self._call("Page.printToPDF", preferCSSPageSize=True)["data"])

    def close(self):
        """Ends it, and what it has started."""
        os.close(self._out)
        os.close(self._in)
        os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)

    def _call(self, method, **params):
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._count:
            self._events.append(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _read(self, most_s=60):
        """The next message."""
        end = time.monotonic() + most_s
        while b"\0" not in self._bytes:
            ready, _, _ = select.select([self._in], [], [], end - time.monotonic())
            assert ready, f"the browser said nothing for {most_s} s"
            more = os.read(self._in, 1 << 20)
            assert more, "the browser has ended"
            self._bytes += more
        text, _, self._bytes = self._bytes.partition(b"\0")
        return json.loads(text)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A `Browser`; $MMALIGN_BROWSER names one that is not called as usual."""
    named = os.environ.get("MMALIGN_BROWSER")
    program = next(filter(None, map(shutil.which, (named,) if named else NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on PATH, nor $MMALIGN_BROWSER")
    try:
        made = Browser(program, tmp_path_factory.mktemp("browser"))
    except (AssertionError, OSError) as error:
        if named:
            raise
        pytest.skip(f"{program} does not start here: {error}")
    yield made
    made.close()
