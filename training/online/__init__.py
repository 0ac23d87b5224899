"""From streams to numbers over time: the online benchmark."""
