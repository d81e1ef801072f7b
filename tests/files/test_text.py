"""Names that aren't UTF-8."""

import pytest

from autotp.errors import InputError
from autotp.files.text import not_text, require_text, writable_text


def test_what_is_not_utf_8_is_spelled_out() -> None:
    """Other text stays as it is, whatever its language."""
    assert writable_text("a é 中\n") == "a é 中\n"
    assert writable_text("b\udce4d") == r"b\udce4d"


def test_text_that_cannot_be_written_is_bad_input() -> None:
    """The error says what it is and spells it out."""
    require_text("é", "The name")
    with pytest.raises(InputError, match=r"^The name: 'b\\udce4d' isn't UTF-8"):
        require_text("b\udce4d", "The name")


def test_an_encoding_error_names_the_text() -> None:
    """The sentence holds the text that couldn't be written."""
    with pytest.raises(UnicodeEncodeError) as raised:
        "b\udce4d".encode()
    assert not_text(raised.value).startswith(r"'b\udce4d' isn't UTF-8")
