"""Where do images sit, and who is misplaced?"""

import streamlit as st

st.title("Where do images sit, and who is misplaced?")
