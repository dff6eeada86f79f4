"""`cortex` and `python -m cortex`: the version at once, everything else through the command line's room."""

from __future__ import annotations

import sys


def main() -> None:
    if sys.argv[1:] in (["--version"], ["version"]):
        from cortex import __version__

        sys.stdout.write(f"cortex {__version__}\n")
        return
    from cortex.cli.app import main as run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
