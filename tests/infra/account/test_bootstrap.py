"""The bootstrap project as a whole, for each account."""

import json

import pytest

from hokusai_infra.account import KEY
from hokusai_infra.recorder import Graph, answers_for, record
from tests.infra.account.bootstraps import ACCOUNTS, bootstrapped
from tests.infra.recordings import ROOT, recorded
from tests.infra.test_golden import GOLDEN, REWRITE, written

REPOSITORY = "aws:ecr/repository:Repository"


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_has_what_is_written_down(account: str, request: pytest.FixtureRequest) -> None:
    file = GOLDEN / f"bootstrap-{account}.txt"
    found = written(bootstrapped(account))
    if request.config.getoption("--write-golden", default=False):
        file.write_text(found)
    assert found == file.read_text(), REWRITE.replace("test_golden.py", "account/test_bootstrap.py")


@pytest.mark.parametrize("account", ACCOUNTS)
def test_what_cannot_be_made_again_is_kept(account: str) -> None:
    kept = ("aws:s3/bucket:Bucket", "aws:kms/key:Key", REPOSITORY)
    resources = [each for each in bootstrapped(account).resources if each.type in kept]
    assert resources
    assert [each.urn for each in resources if not each.protect] == []


def test_images_are_in_the_account_that_the_stacks_pull_from() -> None:
    [repository] = bootstrapped("staging").of(REPOSITORY)
    assert bootstrapped("prod").of(REPOSITORY) == []
    for stack in ACCOUNTS:
        image = json.loads(recorded(stack).config["hokusai:stack"])["image"]
        assert image.partition("@")[0] == repository.state["repositoryUrl"]


def test_the_outputs_are_what_the_pipeline_is_given() -> None:
    roles = "arn:aws:iam::111122223333:role/hokusai-pipeline/hokusai"
    assert bootstrapped("staging").outputs == {
        "state_url": "s3://hokusai-state-111122223333?region=us-east-1",
        "secrets_provider": "awskms://alias/hokusai-state?region=us-east-1",
        "permissions_boundary": "arn:aws:iam::111122223333:policy/hokusai-boundary",
        "role_arns": {
            "preview": f"{roles}-preview",
            "build": f"{roles}-build",
            "deploy-staging": f"{roles}-deploy-staging",
        },
        "repository_urls": {"hokusai": "111122223333.dkr.ecr.us-east-1.amazonaws.com/hokusai"},
        "findings_topic": "arn:aws:sns:us-east-1:111122223333:hokusai-findings",
    }


ADOPTED = {
    "provider": "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
    "trail": "aws:cloudtrail/trail:Trail",
    "threats": "aws:guardduty/detector:Detector",
    "history": "aws:cfg/recorder:Recorder",
    "history_role": "aws:iam/serviceLinkedRole:ServiceLinkedRole",
    "checks": "aws:securityhub/account:Account",
    "outside_access": "aws:accessanalyzer/analyzer:Analyzer",
    "defaults": "aws:iam/accountPasswordPolicy:AccountPasswordPolicy",
}


def _with(what: str) -> Graph:
    values = json.loads(bootstrapped("staging").config[KEY])
    values["github" if what == "provider" else "audit"][what] = "existing"
    return record(
        ROOT / "bootstrap",
        "staging",
        answers=answers_for(ACCOUNTS["staging"], "us-east-1"),
        config_overrides={KEY: json.dumps(values)},
    )


@pytest.mark.parametrize("what", ADOPTED)
def test_what_the_account_has_already_is_not_made_again(what: str) -> None:
    assert len(bootstrapped("staging").of(ADOPTED[what])) == 1
    graph = _with(what)
    assert graph.of(ADOPTED[what]) == []
    assert graph.outputs == bootstrapped("staging").outputs
