"""Each stack, recorded once a process; and components, recorded alone."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from hokusai_infra.recorder import Graph, Resource, default_answers, record, record_program

ROOT: Final = Path(__file__).parents[2]
STACKS: Final = ("local", "prod", "staging")


@cache
def recorded(stack: str) -> Graph:
    return record(ROOT, stack, answers=default_answers)


@cache
def example(name: str, stack: str) -> Graph:
    return record(ROOT / "examples" / name, stack, answers=default_answers)


def alone(build: Callable[[], object]) -> Graph:
    """Record what one component registers."""

    def main() -> None:
        build()

    return record_program(main, answers=default_answers)


def inputs(graph: Graph) -> dict[str, dict[str, Any]]:
    """Return the inputs of all resources but components, by short type and name."""
    return {
        f"{each.type.rpartition(':')[2]} {each.name}": each.inputs
        for each in graph.resources
        if not each.component
    }


def containers(task: Resource) -> dict[str, dict[str, Any]]:
    """Return the containers of a task definition by name."""
    return {each["name"]: each for each in json.loads(task.inputs["containerDefinitions"])}


def statements(role_policy: Resource) -> dict[str, dict[str, Any]]:
    """Return the statements of a policy by their id."""
    return {each["Sid"]: each for each in json.loads(role_policy.inputs["policy"])["Statement"]}
