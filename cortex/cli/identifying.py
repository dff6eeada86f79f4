"""identity: what a destination would be told of a value, line by line; the tool for a poor match rate."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, BinaryIO

import typer

from cortex.cli.shell import Answer, Shell

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = frozenset({"destination", "field", "value", "country"})
LONGEST = 65536
"""Bytes of one line: more is no question about one value."""


def register(app: typer.Typer) -> None:
    tree = typer.Typer(help="How buyers are written for each platform.", no_args_is_help=True, rich_markup_mode=None)
    tree.command("check")(check)
    app.add_typer(tree, name="identity")


def check(context: typer.Context) -> Answer:
    """Show what each platform would be told of a buyer. JSON lines {"destination","field","value","country"} on stdin.

    Values are read from standard input alone: an argument would stay in the shell's history and in the list of
    processes. Nothing is kept, logged or sent.
    """
    shell: Shell = context.obj
    if sys.stdin.isatty():
        shell.say('One line each, such as {"destination":"meta","field":"ph","value":"…","country":"BR"}; Ctrl-D ends.')
    asked = unusable = 0
    kept = []
    for said in answers(sys.stdin.buffer):
        asked += 1
        unusable += said["normalised"] is None
        if shell.json:
            kept.append(said)
        else:
            _write(shell, said)
    shell.say(f"{asked} checked, {unusable} not usable.")
    return Answer(data={"checked": asked, "not_usable": unusable, "answers": kept})


def answers(lines: BinaryIO) -> Iterator[dict[str, Any]]:
    """One answer per line that is not blank, in order; a line that cannot be read is answered with why."""
    from cortex.identity import checking

    while line := lines.readline(LONGEST + 1):
        if len(line) > LONGEST and not line.endswith(b"\n"):
            _skip(lines)
            yield checking.nothing(f"The line is longer than {LONGEST} bytes.")
        elif line.strip():
            found = _read(line)
            yield checking.nothing(found) if isinstance(found, str) else checking.check([found])[0]


def _skip(lines: BinaryIO) -> None:
    """The rest of a line that is too long, without keeping it."""
    while (part := lines.readline(LONGEST)) and not part.endswith(b"\n"):
        pass


def _read(line: bytes) -> dict[str, str] | str:
    """The question of one line, or what is wrong with it. Never quotes the line: it may hold anybody."""
    import msgspec

    try:
        said = msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "The line is not JSON."
    if not isinstance(said, dict):
        return 'The line is no object: {"destination": …, "field": …, "value": …, "country": …} is expected.'
    if unknown := sorted(said.keys() - KEYS):
        return f"{len(unknown)} unknown key(s); known: destination, field, value, country."
    if not all(value is None or isinstance(value, str) for value in said.values()):
        return "Every value must be a text: write a phone or a postcode in quotes, or its zeros are lost."
    return {key: value or "" for key, value in said.items()}


def _write(shell: Shell, said: dict[str, Any]) -> None:
    """One JSON line, unmasked: the normalised value is what was asked for. (The envelope of --json is masked as ever.)"""
    import msgspec

    print(msgspec.json.encode(said).decode(), file=shell.out, flush=True)
