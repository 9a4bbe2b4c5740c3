"""Names for what MLflow, which ships no types, hands over and takes."""

from typing import Any, TypeAlias

Entity: TypeAlias = Any
"""An object of MLflow's, or what one of its functions returns."""
Passed: TypeAlias = Any
"""An argument that goes on to MLflow as it came."""
