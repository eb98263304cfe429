"""From stored runs to frozen records that are ready to draw, a package a question; no torch, no streamlit."""
