"""The seven lessons of the Learn page, one module a step, each with a function ``show``."""
