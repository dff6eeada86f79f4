"""Who the buyers are and what they are worth. Frames in, frames out; one file per insight."""
