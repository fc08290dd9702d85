"""What a detection set is like before anything is trained on it, and what is wrong with it."""
