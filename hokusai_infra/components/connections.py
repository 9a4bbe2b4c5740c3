"""How many connections an RDS instance has memory for."""

from typing import Final

MIB: Final = 2**20
BYTES_A_CONNECTION: Final = 9_531_392
"""RDS's own default is memory of the class by this, up to ``MOST``.

docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.MaxConnections
"""
MOST: Final = 5000
KEPT_MIB: Final = 256
"""What RDS keeps for itself. AWS says that ``DBInstanceClassMemory`` is less than the memory of the
class, and not by how much; this is a guess on the careful side, until an instance was asked."""
BEYOND: Final = 1.25
"""How far beyond the default a stack may go; most connections of a pool wait, and take little."""

# docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html
_GENERAL: Final = {
    "large": 8,
    "xlarge": 16,
    "2xlarge": 32,
    "4xlarge": 64,
    "8xlarge": 128,
    "12xlarge": 192,
    "16xlarge": 256,
}
_BURSTING: Final = {"small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
_MEMORY: Final = {size: 2 * gib for size, gib in _GENERAL.items()}
_FAMILIES: Final = {
    "t3": _BURSTING,
    "t4g": _BURSTING,
    **dict.fromkeys(("m6g", "m6i", "m7g", "m7i", "m8g"), _GENERAL),
    **dict.fromkeys(("r6g", "r6i", "r7g", "r7i", "r8g"), _MEMORY),
}
MEMORY_GIB: Final = {
    f"db.{family}.{size}": gib for family, sizes in _FAMILIES.items() for size, gib in sizes.items()
}
"""Memory of the classes that a database may have, in GiB."""


def by_default(instance_class: str) -> int:
    """Return about how many connections RDS itself would allow."""
    return min((MEMORY_GIB[instance_class] * 1024 - KEPT_MIB) * MIB // BYTES_A_CONNECTION, MOST)


def must_fit(instance_class: str, max_connections: int) -> None:
    """Refuse a class that is not known, and connections that exhaust the memory of one that is."""
    if instance_class not in MEMORY_GIB:
        known = "; ".join(f"db.{each}: {', '.join(of)}" for each, of in _FAMILIES.items())
        raise ValueError(f"instance_class is {instance_class}: take one of {known}")
    most = int(by_default(instance_class) * BEYOND)
    if max_connections > most:
        raise ValueError(
            f"max_connections is {max_connections}: {instance_class} with its "
            f"{MEMORY_GIB[instance_class]} GiB takes {most} or less; lower it, or take a larger "
            "instance_class"
        )
