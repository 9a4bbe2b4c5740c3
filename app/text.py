"""Text from outside: what is taken, and what can always be stored and shown."""

import re
import unicodedata
from typing import Final

_REFUSED: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, surrogates, and line and paragraph separators."""
_REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that make text read differently from what it is; trojansource.codes has examples."""
_UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")
"""What PostgreSQL's text and JSONB refuse, and what UTF-8 cannot encode."""


def printable(text: str) -> str:
    """Return ``text``, or raise ``ValueError`` where a reader could not see what it is."""
    if not text.strip():
        raise ValueError("must not be blank")
    if any(unicodedata.category(each) in _REFUSED or each in _REORDERING for each in text):
        raise ValueError("must be one line without control characters or surrogates")
    return text


def storable(text: str) -> str:
    """Replace what cannot be stored or sent; never fails."""
    return _UNSTORABLE.sub("\ufffd", text)
