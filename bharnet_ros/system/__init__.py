"""Linux and Python beneath: processes, signals, threads, disks, libraries that want care."""
