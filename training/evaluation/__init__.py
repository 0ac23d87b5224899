"""From logits to numbers: folds, metrics, calibration, reports."""
