"""`cortex` and `python -m cortex`: the version at once, everything else through the command line's room."""

from __future__ import annotations

import os
import sys


def main() -> None:
    if sys.argv[1:] in (["--version"], ["version"]):
        from cortex import __version__

        sys.stdout.write(f"cortex {__version__}\n")
        return
    # polars' allocator keeps freed memory for good unless told before it is loaded; runs are long, their frames short.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
    from cortex.cli.app import main as run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
