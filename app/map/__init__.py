"""The page Feature map and its pieces."""
