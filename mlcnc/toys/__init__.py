"""Small models with the phenomena of neural collapse, in NumPy, solved in under a second."""
