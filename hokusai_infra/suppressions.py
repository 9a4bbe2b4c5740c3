"""Findings that are accepted on purpose, each with its reason, as data next to the resource."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

_A_CHECK: Final = re.compile(r"CKV2?_[A-Z]+_\d+|[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_A_TYPE: Final = re.compile(r"[a-z][a-z0-9-]*:[A-Za-z0-9/]+:[A-Z][A-Za-z0-9]*")
OWNER: Final = "{component}"
_SHORTEST_REASON: Final = 20
"""Characters; "false positive" is not a reason, a sentence is."""


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """One check that does not apply to one resource, or to all resources of one type.

    A component's module keeps its own as ``SUPPRESSIONS: Final = (Suppression(...), ...)``.
    """

    check: str
    """A checkov id (``CKV_AWS_145``, ``CKV2_AWS_57``) or the name of a rule of this project."""
    of: str
    """Pulumi type token of the resource, for example ``aws:s3/bucket:Bucket``."""
    because: str
    """Why the finding is accepted, in a sentence; the reference page prints it."""
    named: str = ""
    """Logical name of the resource, with ``*`` for any part of it, and with ``{component}`` for
    the name that the caller has given the component; empty means all of the type."""
    within: str = ""
    """Type token of the component that the resource belongs to; empty means any, or none."""

    def __post_init__(self) -> None:
        """Refuse what could not match anything, and a reason that is none.

        Raises:
            ValueError: a field is malformed.

        """
        if not _A_CHECK.fullmatch(self.check):
            msg = (
                f"check is {self.check!r}: name a checkov id such as CKV_AWS_18 or a rule of"
                " hokusai_infra.policy such as no-public-bucket"
            )
            raise ValueError(msg)
        if not _A_TYPE.fullmatch(self.of):
            msg = f"of is {self.of!r}: give the Pulumi type token, such as aws:s3/bucket:Bucket"
            raise ValueError(msg)
        if self.within and not _A_TYPE.fullmatch(self.within):
            msg = f"within is {self.within!r}: give a component's type token"
            raise ValueError(msg)
        if OWNER in self.named and not self.within:
            msg = f"named is {self.named!r}: say within which type of component"
            raise ValueError(msg)
        if len(self.because) < _SHORTEST_REASON:
            msg = f"because is {self.because!r}: write a sentence that says why it is accepted"
            raise ValueError(msg)

    def covers(self, check: str, urn: str, parent: str) -> bool:
        """Whether it is about this check on this resource, given with the URN of its parent."""
        type_, name = _type_and_name(urn)
        component, owner = _type_and_name(parent)
        if self.check != check or self.of != type_ or self.within not in ("", component):
            return False
        return fnmatchcase(name, self.named.replace(OWNER, owner) or "*")


def _type_and_name(urn: str) -> tuple[str, str]:
    """Read ``urn:pulumi:<stack>::<project>::<types above>$<type>::<name>``."""
    _, _, types, name = urn.split("::", 3) if urn else ("", "", "", "")
    return types.rpartition("$")[2], name
