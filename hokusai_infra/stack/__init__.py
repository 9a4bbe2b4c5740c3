"""What a stack file may say, the names that follow from it, and what the stack gives back."""

from hokusai_infra.stack.config import StackConfig
from hokusai_infra.stack.outputs import SetupCheck, SetupTask, StackOutputs, publish
from hokusai_infra.stack.sections import ServiceSection
from hokusai_infra.stack.sentences import StackFileError

__all__ = [
    "ServiceSection",
    "SetupCheck",
    "SetupTask",
    "StackConfig",
    "StackFileError",
    "StackOutputs",
    "publish",
]
