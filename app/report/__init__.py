"""A few runs on one page, for a reader without Python."""
