"""What is accepted on purpose, collected from the modules that make the resources."""

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from hokusai_infra import components
from hokusai_infra.suppressions import Suppression


@cache
def suppressions() -> tuple[Suppression, ...]:
    """Return every module's ``SUPPRESSIONS``, in the order of the modules' names."""
    return tuple(
        dict.fromkeys(each for module in holders() for each in getattr(module, "SUPPRESSIONS", ()))
    )


def holders() -> tuple[ModuleType, ...]:
    """Return all modules that make resources."""
    found = pkgutil.walk_packages(components.__path__, f"{components.__name__}.")
    return tuple(importlib.import_module(each.name) for each in found)


def is_accepted(check: str, urn: str, parent: str) -> bool:
    """Whether a finding on this resource, which belongs to ``parent``, is accepted."""
    return any(each.covers(check, urn, parent) for each in suppressions())
