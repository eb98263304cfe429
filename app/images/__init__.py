"""The page Images and attention and its pieces."""
