"""What is this run: its row in the table, its settings, its spaces, and what it stored at an epoch?"""
