"""The page Learn: seven lessons, one module a step, each with a function ``show``."""
