"""From windows to logits."""
