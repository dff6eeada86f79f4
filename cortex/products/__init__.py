"""What is sold and what it earns. Frames in, frames out; one file per insight."""
