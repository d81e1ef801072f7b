"""Text that may come from a name that isn't UTF-8; Python holds such bytes as lone surrogates (PEP 383)."""

from autotp.errors import InputError


def writable_text(text: str) -> str:
    """Return `text` with whatever isn't UTF-8 spelled out, such as `\\udce4` for the byte E4."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def not_text(error: UnicodeEncodeError) -> str:
    """Return the sentence that says which text isn't UTF-8."""
    return f"'{writable_text(error.object)}' isn't UTF-8 text: give it another name."


def require_text(text: str, what: str) -> None:
    """Check that `text` can be written as UTF-8.

    Args:
        text: the text to check.
        what: begins the error: what the text is, and where it would have to be written.

    Raises:
        InputError: it can't.
    """
    if writable_text(text) != text:
        raise InputError(f"{what}: '{writable_text(text)}' isn't UTF-8 text; give it another name.")
