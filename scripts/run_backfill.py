#!/usr/bin/env python
"""Read the past of every active client, or of those named: `cortex backfill`, which takes the same options."""

import sys

from cortex.cli.app import main

if __name__ == "__main__":
    sys.exit(main(["backfill", *sys.argv[1:]]))
