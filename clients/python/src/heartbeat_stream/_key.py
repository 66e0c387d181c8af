"""A write key: what lets a program write to a stream that takes writers with keys only, or with a budget of its own."""

from __future__ import annotations

import re

# What a header carries as it is, and no more than a key ever has; so a whole file that was taken for one is refused.
_KEY = re.compile(r"wk_[!-~]{1,200}")


class WriteKey:
    """A write key that was checked: `TypeError` or `ValueError` where it is none, without its text, as nowhere else."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"write_key is a string, not {type(text).__name__}")
        self._text = text.strip()
        if not _KEY.fullmatch(self._text):
            raise ValueError(
                "write_key begins with wk_, as the stream's owner was shown it (a read key is another one)"
            )

    def __repr__(self) -> str:
        return "WriteKey(...)"

    @property
    def authorization(self) -> str:
        """The value of the header that carries it."""
        return f"Bearer {self._text}"
