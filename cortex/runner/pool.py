"""Pool: processes that do the runs of several clients at once. One that dies takes only its own client with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TextIO, cast

from cortex import logs
from cortex.errors import CortexError
from cortex.runner.engine import RunResult, StepResult
from cortex.runner.stopping import Stop, Stopped
from cortex.runner.work import Desk, Item, serve
from cortex.workspace import Workspace

MOST = 4
"""Processes a machine is given without being asked: past that the database and the platforms' limits are slower."""
GRACE = 10.0
"""Seconds a child has to reach its next boundary before it is killed."""

News = tuple[str, Any, Any]
Heard = Callable[[Item, str, StepResult | int], None]
Ended = tuple[Item, RunResult | CortexError]


def jobs(asked: int | None, items: int) -> int:
    """How many processes for so many items: as asked, else one per processor up to MOST."""
    return max(1, min(asked or min(os.cpu_count() or 1, MOST), items))


@dataclass(frozen=True)
class Outfit:
    """What a child needs to know to work as its parent would. The database's password travels in a pipe, not in argv."""

    workspace: Workspace
    database: str
    log_format: str = "console"
    verbose: bool = False
    quiet: bool = False


class _Line:
    """A child's wire to its parent, who alone writes to the terminal: two clients never share a line."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._rest = pipe, ""

    def tell(self, kind: str, what: Any = None, news: Any = None) -> None:
        """Raises Stopped when nobody listens any more."""
        try:
            self._pipe.send((kind, what, news))
        except OSError:
            raise Stopped(signal.SIGTERM) from None

    def write(self, text: str) -> int:
        """As a stream: whole lines at a time."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self.tell("line", line)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back but half a line."""

    def isatty(self) -> bool:
        return False


class _Hand:
    """One child, and the item it is at."""

    def __init__(self, task: Callable[..., None], *arguments: Any) -> None:
        # Spawned, not forked: gRPC and polars keep threads that a fork would leave behind dead.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_child, args=(task, theirs, *arguments), daemon=True)
        self.process.start()
        theirs.close()
        self.item: Item | None = None

    def give(self, item: Item) -> None:
        self.item = item
        with contextlib.suppress(OSError):  # a child that died meanwhile is found dead by `news`
            self.pipe.send(item)

    def news(self) -> News | None:
        """What the child says; None when it is gone."""
        try:
            found: News = self.pipe.recv()
            return found
        except (EOFError, OSError):
            return None

    def end(self, *, ending: bool = False) -> int | None:
        """Have it end, at its next boundary if it can, and give its exit code. ending: it has hung up by itself."""
        self.pipe.close()
        self.process.join(GRACE if ending else 0.2)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(GRACE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        return self.process.exitcode


def _child(task: Callable[..., None], pipe: Connection, outfit: Outfit, *arguments: Any) -> None:
    # Ctrl-C at a terminal is the parent's to hear: it passes on one request to stop.
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = _Line(pipe)
    sys.stderr = cast("TextIO", line)
    logs.configure(fmt=outfit.log_format, verbose=outfit.verbose, quiet=outfit.quiet)
    desk = Desk(outfit.workspace, outfit.database)
    try:
        task(desk, pipe, line, *arguments)
    except (EOFError, OSError, Stopped):
        pass
    finally:
        desk.close()
        pipe.close()


def _items(desk: Desk, pipe: Connection, line: _Line) -> None:
    """Do what the parent hands over until it hands over nothing."""
    while True:
        item = pipe.recv()
        try:
            line.tell("ended", desk.perform(item, lambda name, news: line.tell("news", name, news)))
        except CortexError as failure:
            line.tell("ended", failure)
        except Stopped:
            line.tell("ended", interrupted(item))
            return
        except Exception as failure:  # noqa: BLE001  # one broken client must not take the others with it
            line.tell("ended", CortexError("CTX-9001", f"The run of {item.code} broke: {type(failure).__name__}."))


def interrupted(item: Item) -> CortexError:
    """The run of an item was told to stop."""
    return CortexError(
        "CTX-9006", f"The run of {item.code} was interrupted.", fix=f"cortex run {item.pipeline} {item.code}"
    )


def perform(
    items: Iterable[Item], outfit: Outfit, count: int, hear: Heard, say: Callable[[str], None]
) -> Iterator[Ended]:
    """Do the items in `count` processes that live until the last is done; each yields as it ends, in any order.

    hear: told of steps as they end. say: gets the lines the children write. Raises Stopped when this process is told
    to end, after the children have stopped at their next boundary.
    """
    todo = deque(items)
    hands = [_Hand(_items, outfit) for _ in range(min(count, len(todo)))]
    told = False
    with Stop() as stop:
        try:
            while True:
                for at, hand in enumerate(hands):
                    if hand.item is None and todo and not stop.number:
                        if not hand.process.is_alive():
                            hands[at] = _Hand(_items, outfit)
                        hands[at].give(todo.popleft())
                busy = {hand.pipe: hand for hand in hands if hand.item}
                if not busy:
                    break
                if stop.number and not told:
                    told = True
                    for hand in busy.values():
                        hand.process.terminate()
                for pipe in wait(list(busy), timeout=0.5):
                    yield from _hear(busy[cast("Connection", pipe)], hear, say)
            stop.check()
        finally:
            for hand in hands:
                hand.end()


def _hear(hand: _Hand, hear: Heard, say: Callable[[str], None]) -> Iterator[Ended]:
    item, news = hand.item, hand.news()
    assert item is not None
    if news is None:
        hand.item = None
        yield item, _died(item, hand.end(ending=True))
    elif news[0] == "line":
        say(news[1])
    elif news[0] == "news":
        hear(item, news[1], news[2])
    else:
        hand.item = None
        yield item, news[1]


def _died(item: Item, code: int | None) -> CortexError:
    how = f"signal {-code}" if code and code < 0 else f"exit code {code}"
    return CortexError(
        "CTX-9007", f"The process that ran {item.code} died ({how}).", fix=f"cortex run {item.pipeline} {item.code}"
    )


def _queue(desk: Desk, _pipe: Connection, line: _Line, drain: bool, pause: float) -> None:
    serve(desk, lambda said: line.tell("line", said), drain=drain, pause=pause)


def work(outfit: Outfit, slots: int, say: Callable[[str], None], *, drain: bool, pause: float) -> None:
    """Workers in `slots` processes, until told to stop or, with `drain`, until nothing is queued.

    One that dies is replaced. Raises Stopped.
    """
    hands = [_Hand(_queue, outfit, drain, pause) for _ in range(slots)]
    with Stop() as stop:
        try:
            while hands:
                stop.check()
                by_pipe = {hand.pipe: hand for hand in hands}
                for pipe in wait(list(by_pipe), timeout=0.5):
                    hand = by_pipe[cast("Connection", pipe)]
                    news = hand.news()
                    if news is not None:
                        say(news[1])
                        continue
                    hands.remove(hand)
                    if hand.end(ending=True):
                        say("A worker process died; another takes its place.")
                        hands.append(_Hand(_queue, outfit, drain, pause))
        finally:
            for hand in hands:
                hand.process.terminate()
            for hand in hands:
                hand.end()
