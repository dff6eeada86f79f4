"""Execution: a recipe becomes steps, steps run under a lease, every outcome lands in the ledger."""
