"""The rules that every stack is held to, and a way to run them without an engine."""

from hokusai_infra.policy.rules import RULES
from hokusai_infra.policy.runner import Finding, evaluate

__all__ = ["RULES", "Finding", "evaluate"]
