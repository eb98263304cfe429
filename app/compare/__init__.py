"""The page Compare and its pieces."""
