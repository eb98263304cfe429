"""Tables, figures and studies as experiments: which runs they take, what they claim, and what came out."""
