"""The HTTP API: keys, figures of a client, its runs. One front door of two; the other is the command line."""
