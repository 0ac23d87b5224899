"""`bharnet studio`: a local page that shows what is seen, what is believed, and why."""
