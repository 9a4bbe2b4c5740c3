"""What a new stack file needs to be told, what is assumed otherwise, and what is no answer."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

DNS_LABEL: Final = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
Known = dict[str, str]
"""Answers so far, by the name of their option."""


class Around(Protocol):
    """What a question may know of the folder."""

    @property
    def stack(self) -> str:
        """Name of the new stack."""
        ...

    def free_range(self) -> str:
        """Return a range of addresses that no other stack file has."""
        ...


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing to know; also an option of the command."""

    name: str
    asks: str
    default: Callable[[Known, Around], str] | None = None
    """None where nobody can guess it."""
    fits: str = ".+"
    hint: str = "write a text"
    """What to write instead of an answer that does not fit."""
    only_if: Callable[[Known], bool] = lambda _: True

    def refuses(self, answer: str) -> str:
        """Say what is wrong with an answer, or nothing."""
        if re.fullmatch(self.fits, answer):
            return ""
        return f"{self.name} is {repr(answer) if answer else 'empty'}: {self.hint}"


def _environment(_: Known, around: Around) -> str:
    return "prod" if around.stack.startswith("prod") else "staging"


def _label(known: Known, around: Around) -> str:
    """Take what the stack's name has behind its environment."""
    rest = around.stack.removeprefix(known["environment"]).strip("-_.")
    return re.sub(r"[^a-z0-9]", "", rest.lower())[:12]


def _image(known: Known, _: Around) -> str:
    registry = f"{known['account']}.dkr.ecr.{known['region']}.amazonaws.com"
    return f"{registry}/hokusai@{NO_DIGEST}"


NO_DIGEST: Final = "sha256:" + "0" * 64
"""Stands where nobody has built an image yet."""

QUESTIONS: Final = (
    Question(
        name="environment",
        asks="Environment, staging or prod",
        default=_environment,
        fits="staging|prod",
        hint="take staging or prod; local is there already",
    ),
    Question(
        name="label",
        asks="Label that tells it from other stacks of this environment in the account",
        default=_label,
        fits="([a-z][a-z0-9]{0,11})?",
        hint="take up to 12 of a-z and 0-9, a letter first, or nothing",
    ),
    Question(
        name="account",
        asks="AWS account",
        fits=r"\d{12}",
        hint="take its 12 digits",
    ),
    Question(
        name="region",
        asks="AWS region",
        default=lambda *_: "us-east-1",
        fits=r"[a-z]{2}(-[a-z]+)+-\d",
        hint="take one like us-east-1",
    ),
    Question(
        name="domain",
        asks="Domain, of which the services get api.<domain> and mlflow.<domain>",
        fits=rf"{DNS_LABEL}(\.{DNS_LABEL})+",
        hint="take one like ml.example.com, lower case, each part with at most 63 letters",
    ),
    Question(
        name="zone",
        asks="Route 53 zone of the domain, or elsewhere",
        default=lambda *_: "elsewhere",
        fits="elsewhere|Z[A-Z0-9]+",
        hint="take the id of a hosted zone, as Z0123456789ABC, or elsewhere",
    ),
    Question(
        name="image",
        asks="Image of the services, by digest",
        default=_image,
        fits=r"\S+@sha256:[0-9a-f]{64}",
        hint="take one like <repository>@sha256:<64 hexadecimal digits>",
    ),
    Question(
        name="cidr",
        asks="Private range of addresses of its network",
        default=lambda _, around: around.free_range(),
        fits=r"[\d.]+/\d+",
        hint="take one like 10.20.0.0/16",
    ),
    Question(
        name="database_class",
        asks="Class of the database instance",
        default=lambda *_: "db.t4g.small",
        fits=r"db\.[a-z0-9]+\.[a-z0-9]+",
        hint="take one like db.t4g.small",
    ),
    Question(
        name="storage_gb",
        asks="GiB of its disk at first",
        default=lambda known, _: "50" if known["environment"] == "prod" else "20",
        fits=r"\d+",
        hint="take a whole number, 20 or more",
    ),
    Question(
        name="night",
        asks="Stop it at night and at weekends, yes or no",
        default=lambda *_: "no",
        fits="yes|no",
        hint="take yes or no",
        only_if=lambda known: known["environment"] != "prod",
    ),
)
