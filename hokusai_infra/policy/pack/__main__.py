"""The rules as a policy pack: constructing it serves them until the engine has gone."""

from pulumi_policy import PolicyPack

from hokusai_infra.policy import RULES

PolicyPack("hokusai", [*RULES])
