"""Training of BHaRNet on skeleton clips: the only part of the package that needs PyTorch."""
