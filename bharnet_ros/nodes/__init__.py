"""ROS 2 nodes: thin shells around the modules of `bharnet_ros`."""
