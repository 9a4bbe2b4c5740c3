"""What the trail of a stack that recorded its calls says about the roles' policies."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import yaml

from hokusai_infra.local.assembly import LocalFacts
from hokusai_infra.local.call_findings import Grant, Policies, not_allowed, unused
from hokusai_infra.local.parts.calls import UNREAD, Call, read_calls
from hokusai_infra.local.state import Folders

UNSEEN: Final = Path(__file__).parent / "journeys" / "unseen.yaml"


@dataclass(frozen=True, kw_only=True)
class Excuse:
    """Why permissions stay that no run on one machine can use."""

    role: str
    actions: tuple[str, ...]
    resource: str
    because: str

    def covers(self, grant: Grant) -> bool:
        return (
            fnmatchcase(grant.role, self.role)
            and grant.action in self.actions
            and fnmatchcase(grant.resource, self.resource)
        )


def excuses() -> list[Excuse]:
    listed = yaml.safe_load(UNSEEN.read_text()) or []
    return [Excuse(**{**each, "actions": tuple(each["actions"])}) for each in listed]


def findings(calls: Sequence[Call], policies: Policies, excused: Sequence[Excuse]) -> list[str]:
    """Say what a policy lacks, what it allows for nothing, and which excuse is idle."""
    never = unused(calls, policies)
    return [
        *(
            f"a call of the {call.by} could not be read: the trail has a hole there"
            if call.action == UNREAD
            else f"{call.role} called {call.action} on {call.resource}, "
            "which its policies do not allow"
            for call in not_allowed(calls, policies)
        ),
        *(
            f"{grant.role} may {grant.action} on {grant.resource} and never did: "
            f"take it away, or say in {UNSEEN.name} why it stays"
            for grant in never
            if not any(each.covers(grant) for each in excused)
        ),
        *(
            f"{UNSEEN.name} excuses {', '.join(each.actions)} of {each.role} on {each.resource}, "
            "which was seen or is allowed no more: take the entry away"
            for each in excused
            if not any(map(each.covers, never))
        ),
    ]


def trail(folder: Path) -> tuple[Call, ...]:
    """Read the calls of a program's stack."""
    return read_calls(Folders(folder).calls)


def policies(folder: Path) -> dict[str, list[str]]:
    """Read the policies of a program's roles."""
    facts = LocalFacts.read(Folders(folder).graph)
    assert facts is not None, f"no stack was started in {folder}"
    return facts.role_policies
