"""Words that people or files gave, shown as they are: never as Markdown, formula, icon, link or HTML."""

from __future__ import annotations

import re

JOINER = "\u2060"
"""Takes no room; keeps apart what Streamlit joins into icons, links and arrows after escapes are resolved."""

_ALWAYS = re.compile(r"[\\`*\[\]<>$#|~&{}]")
# an underscore inside a word is no emphasis, and names of runs are full of them
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_BLOCK_START = re.compile(r"^([-+=])|^(\d+)([.)])")
# "a -> b" would be drawn with an arrow
_SIGN = re.compile(r"(?<!\S)(--|-\\>|\\<-\\>|\\<-|\\>=|\\<=|\\~=)(?!\S)")
_COLON = re.compile(r":(?=\S)")
_MAIL = re.compile(r"@(?=\w)")
_WEB = re.compile(r"\b(www)(?=\.)", re.IGNORECASE)


def plain(text: object) -> str:
    """Return Markdown that shows exactly ``text``, on one line.

    Names, tags, notes and names of classes come from files and forms: every place that puts one into Markdown
    (``st.markdown``, ``st.info``, labels of widgets, help texts) passes it through here.

    Args:
        text: of any kind; line breaks and runs of white space become one space.

    Returns:
        The escaped text, empty where there is nothing to show.

    Example:
        >>> plain("a_b *c* [d](e)")
        'a_b \\\\*c\\\\* \\\\[d\\\\](e)'
    """
    words = " ".join(str(text).split())
    words = _ALWAYS.sub(lambda found: "\\" + found.group(), words)
    words = _UNDERSCORE.sub(r"\\_", words)
    words = _SIGN.sub(_apart, words)
    words = _BLOCK_START.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\{found[3]}", words)
    words = _COLON.sub(f":{JOINER}", words)
    words = _MAIL.sub(f"@{JOINER}", words)
    return _WEB.sub(rf"\1{JOINER}", words)


def _apart(found: re.Match[str]) -> str:
    sign = found.group()
    place = 2 if sign.startswith("\\") else 1
    return sign[:place] + JOINER + sign[place:]
