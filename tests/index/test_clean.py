from __future__ import annotations

import time

from index.clean import clean_text, fold


def test_html_goes_and_words_stay() -> None:
    html = (
        "<p>Big&nbsp;&amp;&nbsp;<b>bo</b>ld</p><br/>new<script>alert('x')</script><!-- note --> <style>p{}</style>end"
    )
    assert clean_text(html) == "Big & bold new end"


def test_html_that_was_escaped_once_more() -> None:
    assert clean_text("&lt;b&gt;Warm&lt;/b&gt; &amp;amp; dry") == "Warm & dry"


def test_signs_that_are_no_html() -> None:
    assert clean_text("3 < 5 and 7 > 2 & <3") == "3 < 5 and 7 > 2 & <3"


def test_control_and_direction_characters_go_and_emoji_stay() -> None:
    assert clean_text("a\x00b\u202ec\u200b\r\n\td 👩‍💻 👍🏽 \ud800") == "abc d 👩‍💻 👍🏽"


def test_long_text_is_cut_between_words() -> None:
    text = clean_text("word " * 10_000)
    assert 19_900 < len(text) <= 20_000
    assert text.endswith("word")
    assert clean_text("多" * 30_000) == "多" * 20_000


def test_hostile_markup_takes_linear_time() -> None:
    started = time.perf_counter()
    for piece in ("<script", "<!--", "<a ", "&lt;", "<", "&amp;" * 3):
        clean_text(piece * 100_000)
    assert time.perf_counter() - started < 10


def test_folding() -> None:
    assert fold(" ＬＥＤ  Lamp\u3000Straße ") == "led lamp strasse"
