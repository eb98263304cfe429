"""Records to Plotly figures; no streamlit here."""
