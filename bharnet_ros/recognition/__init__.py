"""From keypoints to actions: window, decision, and the pipeline that joins them."""
