"""The page Geometry and its pieces."""
