"""The page Variability and its pieces."""
