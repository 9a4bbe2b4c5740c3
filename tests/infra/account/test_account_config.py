"""What a stack file of the bootstrap project may say, and in which words it is refused."""

import json
from typing import Any

import pytest
import yaml

from hokusai_infra.account import KEY, AccountConfig, tagged
from hokusai_infra.components.account.audit_baseline import AuditPart
from hokusai_infra.recorder import answers_for, record
from tests.infra.account.bootstraps import ACCOUNTS
from tests.infra.recordings import ROOT

FILE = "Pulumi.staging.yaml"


def stated(account: str = "staging") -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "bootstrap" / f"Pulumi.{account}.yaml").read_text())
    values: dict[str, Any] = content["config"][KEY]
    return values


def changed(values: Any, path: str, value: object) -> Any:  # noqa: ANN401 - YAML
    head, _, rest = path.partition(".")
    if isinstance(values, list):
        values = list(values)
        values[int(head)] = changed(values[int(head)], rest, value) if rest else value
        return values
    return {**values, head: changed(values[head], rest, value) if rest else value}


def read(values: object) -> AccountConfig:
    return AccountConfig.read(values, region="us-east-1", file=FILE)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_file_is_of_the_account_that_the_provider_is_kept_to(account: str) -> None:
    content = yaml.safe_load((ROOT / "bootstrap" / f"Pulumi.{account}.yaml").read_text())
    assert read(stated(account)).account_id == ACCOUNTS[account]
    assert content["config"]["aws:allowedAccountIds"] == [ACCOUNTS[account]]


def test_the_accounts_are_those_of_the_program_s_own_stacks() -> None:
    for account, number in ACCOUNTS.items():
        program = yaml.safe_load((ROOT / f"Pulumi.{account}.yaml").read_text())["config"]
        assert program["aws:allowedAccountIds"] == [number]
        [deploy] = read(stated(account)).deploys
        dns = program["hokusai:stack"]["dns"]
        assert deploy.hosted_zone_ids == [dns["hosted_zone_id"]]


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("account_id", 111122223333, "account_id is a number to YAML: put it in quotes"),
        ("account_id", "1111", "account_id is '1111': take the account's 12 digits, in quotes"),
        ("githib", 1, "githib is no key: did you mean github?"),
        ("github.provider", "there", "github.provider is 'there': take 'made' or 'existing'"),
        ("github.owner_id", 1000001, "github.owner_id is a number to YAML: put it in quotes"),
        ("github.owner_id", "me", "github.owner_id 'me': name the owner's number"),
        ("github.repository", "a/b", "a repository without its owner"),
        ("github.branch", "release/*", "github.branch 'release/*': name one branch"),
        ("images.repositories", [], "images.repositories is []: name at least 1"),
        ("deploys", [], "deploys is []: name at least 1"),
        ("deploys.0.environment", "local", "deploys.0.environment is 'local': take 'staging'"),
        ("deploys.0.zone", "Z", "deploys.0.zone is no key: "),
        ("audit.mail_addresses", [], "audit.mail_addresses is []: name at least 1"),
        ("audit.mail_addresses", ["me"], "audit.mail_addresses: 'me' is not a mail address"),
        ("audit.log_days", 30, "audit.log_days is 30: take 90 or more"),
        ("audit.trail", False, "audit.trail is False: take 'made' or 'existing'"),
    ],
)
def test_a_wrong_value_is_refused_in_a_sentence_that_names_it(
    path: str, value: object, says: str
) -> None:
    with pytest.raises(ValueError, match=r"^Pulumi\.staging\.yaml: ") as refused:
        read(changed(stated(), path, value))
    assert says in str(refused.value)
    assert "pydantic" not in str(refused.value)


def test_every_mistake_is_told_at_once() -> None:
    values = changed(changed(stated(), "account_id", "1"), "unknown", 1)
    with pytest.raises(ValueError, match="unknown") as refused:
        read(values)
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize("missing", ["account_id", "github", "deploys", "audit"])
def test_what_is_missing_is_named(missing: str) -> None:
    values = {key: value for key, value in stated().items() if key != missing}
    with pytest.raises(ValueError, match=f"{missing} is missing: "):
        read(values)


@pytest.mark.parametrize("second", ["prod", "staging"])
def test_an_account_takes_one_environment(second: str) -> None:
    both = [{"environment": "staging"}, {"environment": second}]
    says = (
        f"deploys names staging, {second}: name one environment, and give the other an account "
        "and a stack file of its own"
    )
    with pytest.raises(ValueError, match=says):
        read(changed(stated(), "deploys", both))


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_file_marks_everything_as_the_account_s_own(account: str) -> None:
    content = yaml.safe_load((ROOT / "bootstrap" / f"Pulumi.{account}.yaml").read_text())
    assert tagged(content["config"]["aws:defaultTags"])


@pytest.mark.parametrize(
    "stated", [None, {}, {"tags": {"project": "hokusai"}}, {"tags": {"part": "stack"}}, "part"]
)
def test_a_file_without_the_account_s_tag_is_refused(stated: object) -> None:
    """Deploy roles know what is not theirs by it."""
    assert not tagged(stated)
    with pytest.raises(ValueError, match="aws:defaultTags lacks part: account; deploy roles"):
        record(
            ROOT / "bootstrap",
            "staging",
            answers=answers_for(ACCOUNTS["staging"], "us-east-1"),
            config_overrides={"aws:defaultTags": json.dumps(stated)},
        )


def test_a_file_without_a_mapping_is_refused() -> None:
    with pytest.raises(TypeError, match="it takes a mapping"):
        read("staging")


def test_what_the_account_has_is_not_made() -> None:
    assert read(stated()).audit.parts == {*AuditPart}
    values = changed(changed(stated(), "audit.trail", "existing"), "audit.checks", "existing")
    assert {*AuditPart} - read(values).audit.parts == {AuditPart.TRAIL, AuditPart.CHECKS}
