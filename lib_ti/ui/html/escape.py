"""Words of users and files, as the page can take them."""

import html


def escape(text: str) -> str:
    """For HTML."""
    return html.escape(as_text(text))


def as_text(text: str) -> str:
    """Halves of characters, which names of files may hold, become question marks: no page could be sent with one in it."""
    return text.encode(errors="replace").decode()
