"""Network: where everything runs, who may reach whom, and how it reaches the internet."""

from hokusai_infra.components.network.args import (
    INTERNET,
    TIERS,
    Edge,
    FlowLogs,
    NatGateways,
    NatInstances,
    NetworkArgs,
    Placement,
)
from hokusai_infra.components.network.vpc import Network

__all__ = [
    "INTERNET",
    "TIERS",
    "Edge",
    "FlowLogs",
    "NatGateways",
    "NatInstances",
    "Network",
    "NetworkArgs",
    "Placement",
]
