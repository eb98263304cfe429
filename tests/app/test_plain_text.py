"""Names that look like Markdown are shown as they are."""

import re

import pytest

from app.widgets.plain_text import JOINER, plain

NASTY = [
    "*bold* and **more**",
    "[x](javascript:alert(1))",
    "![x](http://somewhere/y.png)",
    "<script>alert(1)</script>",
    "$a_1$ and $$b$$",
    "`code` ~~gone~~",
    "# heading",
    "- item",
    "+ item",
    "1. item",
    "2) item",
    "> quote",
    "| a | b |",
    "_slanted_ __strong__ kept_as_is",
    "&lt;b&gt; &amp;",
    "back\\slash",
    "{attribute}",
    "===",
    "---",
]


@pytest.mark.parametrize("text", NASTY)
def test_every_mark_of_markdown_is_escaped(text):
    escaped = plain(text)
    # what a CommonMark reader shows: a backslash before punctuation stands for the punctuation
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", escaped).replace(JOINER, "") == text
    left = re.sub(r"\\.", " ", escaped)
    assert not re.search(r"[*`\[\]<>$#~|&\\]", left)
    assert not re.match(r"[-+=]|\d+[.)]", left)
    assert not re.search(r"(^|\W)_|_(\W|$)", left)


@pytest.mark.parametrize(
    ("text", "kept_apart"),
    [
        (":red[x]", ":red"),
        (":smile:", ":smile"),
        (":material/home:", ":material"),
        ("https://example.org", "://"),
        ("www.example.org", "www."),
        ("WWW.example.org", "WWW."),
        ("me@example.org", "@example"),
        ("a -- b", "--"),
        ("-- b", "--"),
    ],
)
def test_what_streamlit_joins_after_the_escapes_is_kept_apart(text, kept_apart):
    escaped = plain(text)
    assert kept_apart not in escaped
    assert kept_apart in escaped.replace(JOINER, "")


def test_ordinary_names_stay_as_they_are():
    for name in ("pictogram-etf-s0", "first run (2), lr=0.1", "mAP: 71.3", "a_b_c", "Zürich 80 %", "naïve.v2"):
        assert plain(name) == name


def test_text_becomes_one_line():
    assert plain("one\n\n# two\t three") == "one \\# two three"
    assert plain(None) == "None"
    assert plain("") == ""
