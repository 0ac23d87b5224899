"""`bharnet bench`: how long each stage takes, and the graph under load."""
