"""What is neural collapse?"""

import streamlit as st

st.title("What is neural collapse?")
