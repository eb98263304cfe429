"""The page Overview and its pieces."""
