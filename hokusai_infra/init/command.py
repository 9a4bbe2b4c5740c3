"""Ask, check, write, record: a stack file that the program has run with."""

import ipaddress
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from hokusai_infra.init.questions import NO_DIGEST, QUESTIONS, Known, Question
from hokusai_infra.init.template import rendered
from hokusai_infra.local.wording import command
from hokusai_infra.recorder import Graph, answers_for, record
from hokusai_infra.recorder.config import read_yaml
from hokusai_infra.stack import StackConfig, StackFileError

Ask = Callable[[str, str | None], str]
"""Ask a question with its default; returns the answer."""
MISTAKE: Final = 1
SECOND_BYTES: Final = range(20, 250, 10)


class InitError(Exception):
    """No file was written; says why, and what to do."""


@dataclass(frozen=True)
class Project:
    """A folder with a program that takes ``hokusai:stack``, and its stack files."""

    folder: Path
    stack: str
    others: dict[str, dict[str, Any]]
    """What the other stack files state, by their names."""

    @classmethod
    def find(cls, folder: Path, stack: str) -> "Project":
        """Read the folder."""
        if not stack.replace("-", "").replace("_", "").isalnum():
            raise InitError(f"stack {stack!r}: take letters, digits, hyphens")
        main = folder / "Pulumi.yaml"
        if not main.is_file():
            raise InitError(
                f"{folder} has no Pulumi.yaml: name the program's folder behind the stack"
            )
        if "hokusai:stack" not in (_read(main).get("config") or {}):
            raise InitError(f"{main}: its program takes no hokusai:stack, so this file is not its")
        found = {}
        for file in sorted(folder.glob("Pulumi.*.yaml")):
            config = _read(file).get("config") or {}
            if file.name != f"Pulumi.{stack}.yaml" and "hokusai:stack" in config:
                found[file.name] = config["hokusai:stack"]
        return cls(folder, stack, found)

    @property
    def file(self) -> Path:
        """The file to write."""
        return self.folder / f"Pulumi.{self.stack}.yaml"

    def free_range(self) -> str:
        """Return a range of addresses that no other stack file has."""
        taken = [ipaddress.IPv4Network(each["network"]["cidr"]) for each in self.others.values()]
        for second in SECOND_BYTES:
            block = ipaddress.IPv4Network(f"10.{second}.0.0/16")
            if not any(block.overlaps(other) for other in taken):
                return str(block)
        raise InitError("all ranges 10.20.0.0/16 to 10.240.0.0/16 are taken: name one with --cidr")

    def refuse_what_another_has(self, config: StackConfig) -> None:
        """Refuse hosts and names that another stack file has, which no deployment could share."""
        for name, other in self.others.items():
            if other.get("domain") == config.domain:
                raise InitError(
                    f"domain {config.domain} is that of {name}: take another one, "
                    "or both would write the same DNS records"
                )
            same = (config.account_id, config.environment, config.label)
            if same == (other["account_id"], other["environment"], other.get("label", "")):
                raise InitError(
                    f"{name} is a {config.environment} in account {config.account_id} too: "
                    "tell them apart with --label"
                )


def _read(file: Path) -> dict[str, Any]:
    try:
        return read_yaml(file)
    except (ValueError, TypeError) as error:
        raise InitError(str(error)) from error


def init(folder: Path, stack: str, stated: Known, *, force: bool, ask: Ask | None) -> int:
    """Write a stack file; return the exit code."""
    try:
        _init(folder, stack, stated, force=force, ask=ask)
    except (InitError, StackFileError) as error:
        sys.stderr.writelines(f"error: {line}\n" for line in str(error).splitlines())
        return MISTAKE
    return 0


def _init(folder: Path, stack: str, stated: Known, *, force: bool, ask: Ask | None) -> None:
    project = Project.find(folder, stack)
    if project.file.exists() and not force:
        raise InitError(f"{project.file} is there: --force overwrites it, another STACK does not")
    known = answers(project, stated, ask)
    text = rendered(stack, known)
    values = yaml.safe_load(text)["config"]["hokusai:stack"]
    config = StackConfig.checked(values, known["region"], project.file.name)
    project.refuse_what_another_has(config)
    graph = _recorded(project, text, known)
    made = sum(not each.component for each in graph.resources)
    sys.stdout.write(f"{project.file} is written; the program makes {made} resources with it.\n")
    if known["image"].endswith(NO_DIGEST):
        sys.stdout.write("Put the digest of your image into it before you deploy.\n")
    if ask is None and "night" in known and "night" not in stated:
        sys.stdout.write("It runs day and night; --night yes stops it at night and at weekends.\n")
    _tell_cost(project, graph, known["region"])


def answers(project: Project, stated: Known, ask: Ask | None) -> Known:
    """Take what is stated, ask for the rest, or take what is assumed where nobody is asked."""
    known: Known = {}
    for question in QUESTIONS:
        if not question.only_if(known):
            if stated.get(question.name):
                raise InitError(f"{question.name} does not go with {known['environment']}")
            continue
        known[question.name] = _answer(question, known, project, stated, ask)
    return known


def _answer(
    question: Question, known: Known, project: Project, stated: Known, ask: Ask | None
) -> str:
    if question.name in stated:
        if wrong := question.refuses(stated[question.name]):
            raise InitError(wrong)
        return stated[question.name]
    default = question.default(known, project) if question.default else None
    if ask is not None:
        while True:
            said = ask(question.asks, default).strip()
            if not (wrong := question.refuses(said)):
                return said
            sys.stdout.write(f"  {wrong}\n")
    if default is None:
        raise InitError(f"--{question.name} is missing, which nobody can guess: {question.hint}")
    return default


def _recorded(project: Project, text: str, known: Known) -> Graph:
    """Write the file and run the program with it; take it back where that fails."""
    before = project.file.read_text() if project.file.exists() else None
    project.file.write_text(text, encoding="utf-8")
    try:
        return record(
            project.folder,
            project.stack,
            answers=answers_for(known["account"], known["region"]),
            preview=True,
        )
    except Exception as error:
        if before is None:
            project.file.unlink()
        else:
            project.file.write_text(before, encoding="utf-8")
        raise InitError(f"the program does not run with these answers: {error}") from error


def _tell_cost(project: Project, graph: Graph, region: str) -> None:
    """Say what it costs a month, where the rates of its region are known."""
    from hokusai_infra.preview.cost import estimate  # noqa: PLC0415 - after the checks
    from hokusai_infra.preview.rates import RateError  # noqa: PLC0415 - the same
    from hokusai_infra.preview.usage import Usage  # noqa: PLC0415 - the same

    try:
        assumed = Usage.read(graph.config, [], {each.name for each in graph.resources})
        estimated = estimate(graph, region, assumed)
    except RateError as error:
        sys.stdout.write(f"What it costs is not known: {error}\n")
        return
    if estimated.without_rates:
        sys.stdout.write(f"What it costs is not known: there are no rates for {region}.\n")
        return
    least = " at least" if estimated.unpriced else ""
    sys.stdout.write(
        f"It costs{least} about {estimated.total():.0f} dollars a month; "
        f"`{command('preview', project.folder, project.stack)}` says for what.\n"
    )
