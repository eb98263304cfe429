"""The methods on the bench: what one row of a table changes about plain training."""
