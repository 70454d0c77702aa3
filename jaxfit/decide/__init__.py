"""What to train next, by laws that were fitted: `allocation` is of one budget."""
