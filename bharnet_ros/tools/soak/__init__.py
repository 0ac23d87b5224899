"""`bharnet soak`: the graph for long, and whether its memory stays flat."""
