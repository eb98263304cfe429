"""Run folders and job folders with damage of every kind: nothing breaks, nothing runs, nothing outside is touched.

One case can be replayed with everything it does: ``python -m tests.fuzz SEED``.
"""
