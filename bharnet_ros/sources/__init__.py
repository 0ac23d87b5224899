"""Where images come from: cameras, files, streams."""
