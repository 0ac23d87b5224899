"""Programs around the data path: command line, demo, measurements."""
