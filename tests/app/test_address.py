"""An address that asks for what a page does not have: one sentence, until another choice is made."""

import pytest
from streamlit.testing.v1 import AppTest


def page():
    import streamlit as st

    from app.address import note_asked, note_shown, say_unknown_parameters

    view = st.query_params.get("view", "one")
    note_asked(view)
    above = st.empty()
    st.selectbox("Class", ["bus", "cow"], key="class", bind="query-params")
    st.number_input("Epoch", 1, 40, 40, key="at_epoch", bind="query-params")
    st.multiselect("Metrics", ["NC1", "angle"], default=["NC1"], key="metrics", bind="query-params")
    st.slider("Shift", -1.0, 1.0, 0.0, key="shift", bind="query-params")
    words = {0: "none", 1: "bus: two"}
    st.selectbox("Pair", [0, 1], format_func=words.get, key="named", bind="query-params")
    note_shown("epoch", "17")  # of a player, which no control holds
    st.toggle("Bands", True, key="bands", bind="query-params")
    say_unknown_parameters(above, view)


def opened(**asked):
    test = AppTest.from_function(page)
    for name, values in asked.items():
        test.query_params[name] = values
    test.run()
    assert not test.exception
    return test


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"class": "unicorn"}, "class = unicorn, which is not here; it shows bus."),
        ({"at_epoch": "400"}, "at_epoch = 400, which is not here; it shows 40."),
        ({"at_epoch": "many"}, "at_epoch = many, which is not here; it shows 40."),
        ({"metrics": ["loss", "angle"]}, "metrics = loss, angle, which is not here; it shows"),
        (
            {"class": "x", "shift": "7"},
            "class = x, which is not here; it shows bus; for shift = 7, which is not here; it shows 0",
        ),
        ({"epoch": "16"}, "epoch = 16, which is not here; it shows 17."),
        ({"metrics": ["x" * 50, "y" * 50]}, f"metrics = {'x' * 50}, {'y' * 50}, which"),
        ({"class": "<b>[x](y)"}, r"class = \<b\>\[x\](y)"),
        ({"class": "x" * 500}, f"class = {'x' * 60}..., which"),
    ],
)
def test_what_is_not_here_is_said(asked, said):
    (warning,) = opened(**asked).warning
    assert said in warning.value


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"class": "cow", "at_epoch": "3", "metrics": "angle", "shift": "0.50", "bands": "false"},
        # what a control shows anyway is taken out of the address
        {"class": "bus", "at_epoch": "40", "metrics": "NC1", "shift": "0.00", "bands": "true"},
        {"unheard": "of"},
        {"epoch": "17"},
        {"named": "bus: two"},
    ],
)
def test_what_is_here_is_not(asked):
    assert not opened(**asked).warning


def test_it_is_said_until_a_choice_is_made():
    test = opened(**{"class": "x", "at_epoch": "400"})
    assert "class = x" in test.run().warning[0].value
    test.selectbox(key="class").set_value("cow")
    test.query_params["class"] = "cow"  # as the browser sends it
    assert not test.run().warning


def offers():
    import streamlit as st

    from app.address import follow_default

    offered = ["cow"] if st.session_state.get("gone") else ["cow", "bus"]
    follow_default("class", "cow", offered)
    st.selectbox("Class", offered, key="class", bind="query-params")


def test_what_is_no_longer_offered_leaves_the_address():
    test = AppTest.from_function(offers)
    test.query_params["class"] = "bus"
    test.run()
    assert test.selectbox(key="class").value == "bus"
    test.session_state["gone"] = True
    test.run()
    assert test.selectbox(key="class").value == "cow"
    assert "class" not in test.query_params


def test_another_page_does_not_say_it_nor_this_one_after_it():
    test = opened(**{"class": "x"})
    test.query_params["view"] = "two"
    assert not test.run().warning
    test.query_params["view"] = "one"
    assert not test.run().warning


def test_what_was_chosen_and_taken_back_is_not_said_again():
    test = opened(**{"class": "x"})
    test.query_params["class"] = "cow"
    test.selectbox(key="class").set_value("cow").run()
    del test.query_params["class"]
    assert not test.selectbox(key="class").set_value("bus").run().warning


def test_a_choice_made_before_the_page_was_whole_is_not_taken_for_the_address():
    test = AppTest.from_function(page)
    test.query_params["class"] = "cow"
    test.query_params["at_epoch"] = "400"
    # the first run was broken off before the page was drawn, by the choice of a bus
    test.session_state["view_asked"] = ("one", {"class": ["cow"], "at_epoch": ["400"]})
    test.query_params["class"] = "bus"
    (warning,) = test.run().warning
    assert "class" not in warning.value
    assert "at_epoch = 400" in warning.value
