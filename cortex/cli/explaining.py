"""explain, version: an error code and what mends it, an order, a client's settings, a formula; and which Cortex says so."""

from __future__ import annotations

import difflib
from typing import Annotated

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import UsageError
from cortex.reports.error_pages import pages

LOOKALIKES = str.maketrans("OIL", "011")
"""Letters that are read off a screen as digits."""


def register(app: typer.Typer) -> None:
    app.command("explain")(explain)
    app.command("version")(version)


def explain(
    context: typer.Context,
    subject: Annotated[
        str, typer.Argument(metavar="CTX-nnnn|order|config|metric", help="An error code, or what is to be explained.")
    ],
    of: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CLIENT [ORDER]|NAME]", help="order CLIENT ORDER, config CLIENT, metric NAME."),
    ] = None,
) -> Answer:
    """Explain an error code, an order, a definition or a formula. An order comes with its visits, credits and conversions."""
    from cortex.cli import tracing

    shell: Shell = context.obj
    if subject in tracing.SUBJECTS:
        shell.command = f"explain {subject}"
        return tracing.trace(shell, subject, of or [])
    if of:
        raise UsageError(
            "CTX-1002", f"An error code needs nothing after it: {' '.join(of)}.", fix=f"cortex explain {subject}"
        )
    return _page(shell, subject)


def _page(shell: Shell, subject: str) -> Answer:
    known = pages()
    code = subject.upper()
    if code not in known:
        from cortex.cli import tracing

        typed = code[:4] + code[4:].translate(LOOKALIKES)
        near = [typed] if typed in known else difflib.get_close_matches(typed, known, n=1)
        near = near or difflib.get_close_matches(subject, tracing.SUBJECTS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError("CTX-1020", f"There is no page for {subject!r}.{hint}", fix="Codes look like CTX-4102.")
    page = known[code]
    shell.show(f"{code}  {page['title']}")
    shell.show()
    shell.show(f"What happened  {page['happened']}")
    shell.show(f"Why            {page['why']}")
    for at, fix in enumerate(page["fix"]):
        shell.show(f"{'Fix' if at == 0 else '':15}{fix}")
    shell.show(f"Trying again   {'helps' if page['retry'] else 'does not help until it is mended'}")
    return Answer(data={"code": code, **page})


def version(context: typer.Context) -> Answer:
    """Which Cortex this is."""
    from cortex import __version__

    shell: Shell = context.obj
    shell.show(f"cortex {__version__}")
    return Answer(data={"version": __version__})
