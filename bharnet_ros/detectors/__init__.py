"""From an image to people's keypoints."""
