"""From files to a data set: the store, importers, extraction from videos."""
