"""HTML as a type of its own: whatever is put into it is escaped, unless it is HTML already.

    Html("<b>{}</b>").format(name)
    Html('<p class="ti_lab_warning">{}</p>').each(texts)

`Html(...)` itself is given literals alone, and in this folder alone, which a test holds. So words of users and files can become
markup nowhere, and a string that was put together in another way is a plain `str`, which mypy refuses where Html is wanted.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from lib_ti.errors import visible

if TYPE_CHECKING:
    from typing import Self


class Html(Markup):
    """Like Markup, whose `format`, `join` and `+` escape what they are given; but no other Markup is trusted."""

    __slots__ = ()

    @classmethod
    def escape(cls, s: Any, /) -> Self:
        return s if isinstance(s, cls) else cls(html.escape(visible(str(s))))

    def each(self, items: Iterable[Any]) -> Self:
        """One after the other, with one item in each."""
        return self.__class__().join(self.format(item) for item in items)

    def if_any(self, item: Any) -> Self:
        """With the item in it; nothing where there is none."""
        return self.format(item) if item else self.__class__()


NOTHING = Html()
