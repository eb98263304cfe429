"""Which runs are better than which others, and do their seeds and images support it?"""
