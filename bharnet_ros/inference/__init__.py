"""From a model file to probabilities: contract, file, session, providers."""
