"""Cortex: measurement for online shops, one YAML per client."""

__version__ = "0.1.0"
