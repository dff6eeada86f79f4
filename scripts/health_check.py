#!/usr/bin/env python
"""One word for monitors, exit 0 or 5: `cortex health`, which takes the same options."""

import sys

from cortex.cli.app import main

if __name__ == "__main__":
    sys.exit(main(["health", *sys.argv[1:]]))
