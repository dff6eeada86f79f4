"""What will be sold. Frames in, frames out; one file per model, and the backtest that chooses between them."""
