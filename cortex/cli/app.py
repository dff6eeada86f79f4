"""The command tree, the options that work anywhere on the line, and what every failure turns into."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import CortexError, UsageError
from cortex.runner.stopping import Stopped

FLAGS = {"--json", "--quiet", "-q", "--verbose", "-v", "--no-color", "--no-input"}
VALUES = {"--lang", "--log-format", "--workspace"}


def build() -> typer.Typer:
    """The whole tree. Command modules import nothing heavy; each command does, when it runs."""
    from cortex.cli import (
        alerting,
        analyses,
        attributing,
        checklist,
        clients,
        configuration,
        conversions,
        database,
        demonstration,
        dividing,
        doctoring,
        erasing,
        explaining,
        forecasting,
        identifying,
        importing,
        onboarding,
        past,
        quality,
        reporting,
        running,
        scheduling,
        serving,
        stages,
        tracking,
        working,
    )

    app = typer.Typer(
        name="cortex",
        help="Measurement for online shops: one YAML per client.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    for module in (
        onboarding,
        running,
        past,
        scheduling,
        working,
        serving,
        conversions,
        tracking,
        checklist,
        reporting,
        analyses,
        attributing,
        forecasting,
        dividing,
        stages,
        quality,
        alerting,
        doctoring,
        demonstration,
        importing,
        identifying,
        clients,
        configuration,
        database,
        erasing,
        explaining,
    ):
        module.register(app)
    return app


def options(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No talk, only the answer.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every log line, and tracebacks.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colour, no progress bars.")] = False,
    no_input: Annotated[bool, typer.Option("--no-input", help="Never ask.")] = False,
    lang: Annotated[str, typer.Option("--lang", help="pt-BR, en or es.")] = "",
    log_format: Annotated[str, typer.Option("--log-format", help="console or json.")] = "console",
    workspace: Annotated[Path | None, typer.Option("--workspace", help="Folder with tenants/.")] = None,
) -> None:
    """Options understood anywhere on the line."""
    if log_format not in {"console", "json"}:
        raise UsageError("CTX-1010", f"--log-format {log_format!r} is not console or json.")
    if lang not in {"", "pt-BR", "en", "es"}:
        raise UsageError("CTX-1011", f"--lang {lang!r} is not pt-BR, en or es.")
    shell: Shell = context.obj
    shell.json, shell.quiet, shell.verbose, shell.no_color, shell.no_input = as_json, quiet, verbose, no_color, no_input
    shell.lang, shell.log_format, shell.folder = lang, log_format, workspace
    if context.invoked_subcommand != "sandbox" and os.environ.get("CORTEX_NOW"):
        shell.say(f"CORTEX_NOW is set: pretending it is {os.environ['CORTEX_NOW']}.")


def hoist(arguments: Sequence[str]) -> list[str]:
    """Move the options of every command to the front, so that they work anywhere on the line.

    >>> hoist(["run", "daily", "xyz", "--json", "--lang", "en"])
    ['--json', '--lang', 'en', 'run', 'daily', 'xyz']
    """
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in FLAGS or (word.partition("=")[0] in VALUES and "=" in word):
            front.append(word)
        elif word in VALUES:
            front += [word, *[value for value in [next(words, None)] if value is not None]]
        else:
            rest.append(word)
    return front + rest


def main(arguments: Sequence[str]) -> int:
    """Run one command line. Returns the exit code; nothing is raised past here."""
    shell = Shell()
    words = hoist(arguments)
    shell.json = "--json" in words
    shell.verbose = bool({"--verbose", "-v"} & set(words))
    try:
        return _invoke(shell, words)
    except CortexError as error:
        shell.complain(error)
        return shell.finish(Answer(error=error))
    except typer.Abort:
        return 130
    except (KeyboardInterrupt, Stopped) as stop:
        shell.say("Interrupted. What was finished is kept; the same command goes on from there.")
        return shell.finish(Answer(exit_code=getattr(stop, "exit_code", 130)))
    except BrokenPipeError:
        # The reader of our stdout went away (`| head`); that is its right.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as failure:  # noqa: BLE001  # the last net: no traceback with locals ever reaches a terminal
        return _unexpected(shell, failure)


def _invoke(shell: Shell, words: list[str]) -> int:
    command = typer.main.get_command(build())
    shell.command = _spoken(command, words)
    if os.environ.get("_CORTEX_COMPLETE"):
        command.main(prog_name="cortex")
    try:
        # Not `command.main`, which turns an interruption into a plain exit code before `main` can say what is kept.
        with command.make_context("cortex", list(words), obj=shell) as context:
            result: Any = command.invoke(context)
    except typer.Exit as exit_:
        return exit_.exit_code
    except typer.TyperException as error:
        said, at = error.format_message(), getattr(error, "ctx", None)
        if at is not None and said == at.get_help():
            if shell.json:
                said = "Missing command."
            else:
                print(said, file=shell.err)
                return 2
        raise UsageError("CTX-1002", said, fix=f"{at.command_path if at else 'cortex'} --help") from None
    return shell.finish(result) if isinstance(result, Answer) else int(result or 0)


def _spoken(command: Any, words: Sequence[str]) -> str:
    """The command's name in the envelope: `run`, `runs list` … A command may say it better, such as `run daily`."""
    names: list[str] = []
    for word in words:
        if word in getattr(command, "commands", {}):
            command = command.commands[word]
            names.append(word)
        elif names:
            break
    return " ".join(names)


def _unexpected(shell: Shell, failure: Exception) -> int:
    import traceback

    from cortex.secrets import REDACTOR

    error = CortexError(
        "CTX-9000",
        f"Something broke that should not: {type(failure).__name__}.",
        fix="Run again with --verbose and report what it prints.",
    )
    if shell.verbose:
        print(REDACTOR.clean("".join(traceback.format_exception(failure))), file=shell.err)
    shell.complain(error)
    return shell.finish(Answer(error=error))
