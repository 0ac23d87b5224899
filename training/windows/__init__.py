"""From a data set to training windows: clips, splits, augmentation."""
