"""Keypoints to and from recordings (rosbag2), without ROS; and what a crash leaves of them."""
