"""One module a published format."""
