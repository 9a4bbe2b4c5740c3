"""Moments as answers show them."""

from datetime import UTC, datetime
from typing import Final

LATEST: Final = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())


def moment(seconds: float) -> datetime:
    """Show seconds since the epoch; what no calendar holds is shown as the nearest that one does.

    A stored number must never make an answer impossible.
    """
    return datetime.fromtimestamp(max(0, min(seconds, LATEST)), UTC)
