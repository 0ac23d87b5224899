"""Looking at data and models, and measuring them."""
