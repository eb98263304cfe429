"""From stored runs to frozen records that are ready to draw; no torch, no streamlit."""
