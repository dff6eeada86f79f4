"""The sandbox: faithful local stand-ins of every platform Cortex speaks to, fed by one deterministic world."""
