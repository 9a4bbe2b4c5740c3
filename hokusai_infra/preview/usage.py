"""What a stack is assumed to use; each number is printed beside what it costs."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Final, Self

CONFIG_KEY: Final = "hokusai:usage"
"""Configuration of a stack file that holds a mapping of these keys."""
PAIR: Final = re.compile(r"([^=]+)=(.*)")
UNIT: Final = re.compile(r" (?:of|that|through|beyond|in|inside|from|to) ")
"""Where the unit ends in what an assumption is a quantity of."""


class UsageError(ValueError):
    """An assumption that cannot be changed like this; says what can."""


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """A quantity of one month that no program states."""

    key: str
    default: Decimal
    per: str
    """What the quantity is of; begins with its unit."""

    @property
    def unit(self) -> str:
        """What is counted."""
        return UNIT.split(self.per, maxsplit=1)[0]


def _assumed(key: str, default: str, per: str) -> Assumption:
    return Assumption(key=key, default=Decimal(default), per=per)


ASSUMPTIONS: Final = (
    _assumed("alb_lcu", "0.1", "capacity units of a load balancer, on average"),
    _assumed("api_calls_millions", "1", "million calls of AWS's interface in the account"),
    _assumed("application_secrets", "3", "secrets that the application makes, one a project"),
    _assumed("audit_logs_gb", "1", "GB of flow and DNS logs that GuardDuty reads"),
    _assumed("backup_gb", "0", "GB of database backups beyond the allocated storage"),
    _assumed("config_changes_thousands", "1", "thousand resource changes that AWS Config records"),
    _assumed("config_evaluations_thousands", "1", "thousand evaluations of an AWS Config rule"),
    _assumed("data_events_100k", "1", "hundred thousand object calls that a trail records"),
    _assumed("database_events_gb", "0.05", "GB of a database's log of upgrades or refused logins"),
    _assumed("database_logs_gb", "0.5", "GB of a database's own log"),
    _assumed("dns_queries_millions", "1", "million look-ups of names inside the network"),
    _assumed("emails_thousands", "0.1", "thousand e-mails of a subscription"),
    _assumed("endpoint_gb", "1", "GB through an interface endpoint"),
    _assumed("extra_tasks", "0", "tasks of a service beyond the least, on average"),
    _assumed("flow_logs_gb", "1", "GB of flow logs"),
    _assumed("image_gb", "5", "GB of images in a repository"),
    _assumed("kms_calls_thousands", "20", "thousand calls of a KMS key"),
    _assumed("kms_rotations", "0", "rotations of a key so far; AWS charges the first two"),
    _assumed("logs_gb", "1.25", "GB of the log of one task that always runs"),
    _assumed("nat_gb", "10", "GB through a NAT gateway"),
    _assumed("object_events_millions", "0.1", "million object calls that GuardDuty reads"),
    _assumed("objects_thousands", "10", "thousand objects that a bucket takes in and tiers"),
    _assumed("reads_thousands", "100", "thousand reads of a bucket"),
    _assumed("secret_reads_thousands", "10", "thousand reads of a secret"),
    _assumed("security_checks_thousands", "5", "thousand checks of Security Hub"),
    _assumed("stored_gb", "25", "GB in a bucket"),
    _assumed("transfer_out_gb", "10", "GB from a load balancer to the internet"),
    _assumed("waf_logs_gb", "0.5", "GB of a firewall's log"),
    _assumed("waf_requests_millions", "1", "million requests that a firewall sees"),
    _assumed("writes_thousands", "20", "thousand writes to a bucket"),
)
"""Free allowances of an account are not deducted: other stacks of the account may use them up."""

_BY_KEY: Final = {each.key: each for each in ASSUMPTIONS}


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The assumptions, with what a stack or a command line says otherwise."""

    changed: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    """By key, or by ``<logical name>.<key>`` for one resource."""
    asked: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]], compare=False)
    """Logical names and keys that a price was made of."""

    @classmethod
    def read(cls, config: Mapping[str, str], options: Iterable[str], names: Iterable[str]) -> Self:
        """Take a stack's configuration and ``KEY=VALUE`` options, which win over it.

        ``names`` are the logical names that a key may be about.
        """
        stated = json.loads(config.get(CONFIG_KEY, "{}"))
        if not isinstance(stated, dict):
            raise UsageError(f"{CONFIG_KEY} is {stated!r}: make it a mapping, as stored_gb: 100")
        pairs = {str(key): str(value) for key, value in stated.items()}
        for option in options:
            found = PAIR.fullmatch(option)
            if found is None:
                raise UsageError(f"--usage {option!r}: write KEY=VALUE, as stored_gb=100")
            pairs[found[1].strip()] = found[2].strip()
        known = frozenset(names)
        return cls(changed={key: _checked(key, value, known) for key, value in pairs.items()})

    def of(self, key: str, name: str) -> Decimal:
        """Return what is assumed of one resource."""
        self.asked.add((name, key))
        default = self.changed.get(key, _BY_KEY[key].default)
        return self.changed.get(f"{name}.{key}", default)

    def stated_as(self, key: str, name: str) -> str:
        """Return the key under which the quantity of one resource was found."""
        own = f"{name}.{key}"
        return own if own in self.changed else key

    def check_applied(self, unpriced: Iterable[str] = ()) -> None:
        """Refuse a change for one resource that no price of it was made of.

        Of what is ``unpriced``, nobody knows what its price would be made of.
        """
        for stated in self.changed:
            name, _, key = stated.rpartition(".")
            if not name or name in unpriced or (name, key) in self.asked:
                continue
            own = sorted({each for about, each in self.asked if about == name})
            others = sorted({about for about, each in self.asked if each == key})
            hints = [
                f"{', '.join(own) if own else 'no assumption'} can be changed of it",
                *([f"{key} is of {', '.join(others)}"] if others else []),
            ]
            raise UsageError(f"usage {stated!r} is nothing that {name} costs: {'; '.join(hints)}")


def assumption(key: str) -> Assumption:
    """Return an assumption by its key."""
    return _BY_KEY[key]


def _checked(stated: str, value: str, names: frozenset[str]) -> Decimal:
    name, _, key = stated.rpartition(".")
    if key not in _BY_KEY:
        close = get_close_matches(key, _BY_KEY, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(_BY_KEY)}"
        raise UsageError(f"usage {stated!r} is no assumption: {hint}")
    if name and name not in names:
        close = get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]}?" if close else "take a logical name of the stack"
        raise UsageError(f"usage {stated!r} is about no resource: {hint}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise UsageError(f"usage {stated} is {value!r}: give a number") from None
    if not number.is_finite() or number < 0:
        raise UsageError(f"usage {stated} is {value}: give a number that is not below 0")
    return number
