"""IAM policy documents as typed data."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import pulumi

# docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html
SID: Final = re.compile(r"[A-Za-z0-9]+")
ACTION: Final = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")


@dataclass(frozen=True)
class Unscoped:
    """``Resource: "*"``, for the few actions that take no ARN."""

    because: str

    def __post_init__(self) -> None:
        if not self.because.strip():
            raise ValueError("Unscoped needs its reason: why do these actions take no ARN?")


@dataclass(frozen=True, kw_only=True)
class Allow:
    """One ``Allow`` statement."""

    sid: str
    actions: frozenset[str]
    resources: tuple[pulumi.Input[str], ...] | Unscoped

    def __post_init__(self) -> None:
        if not SID.fullmatch(self.sid):
            raise ValueError(f"sid {self.sid!r}: IAM takes letters and digits")
        if not self.actions or not self.resources:
            raise ValueError(f"{self.sid}: allows nothing; name an action and a resource")
        for action in sorted(self.actions):
            if "*" in action:
                raise ValueError(f"{self.sid}: name the actions instead of {action!r}")
            if not ACTION.fullmatch(action):
                raise ValueError(f"{self.sid}: {action!r} is not of the form service:Action")
        if isinstance(self.resources, tuple) and "*" in self.resources:
            raise ValueError(f"{self.sid}: spell Resource '*' as Unscoped(because=…)")

    def rendered(self) -> dict[str, Any]:
        """Spell the statement as IAM does."""
        resource = "*" if isinstance(self.resources, Unscoped) else list(self.resources)
        return {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": sorted(self.actions),
            "Resource": resource,
        }


def policy(*statements: Allow) -> pulumi.Output[str]:
    """Render statements to the JSON that AWS takes."""
    twice = [sid for sid, times in Counter(each.sid for each in statements).items() if times > 1]
    if twice:
        raise ValueError(f"two statements are {', '.join(twice)}: AWS refuses the policy")
    document = {"Version": "2012-10-17", "Statement": [each.rendered() for each in statements]}
    return pulumi.Output.json_dumps(document)


def trust(service: str) -> str:
    """Let an AWS service take on a role."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
