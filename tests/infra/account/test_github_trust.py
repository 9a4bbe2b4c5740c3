"""Which job of GitHub may take on which role: tokens, compared as AWS compares them."""

from collections.abc import Mapping
from typing import Any

import pytest

from hokusai_infra.components.account.github import GitHubRepository
from tests.infra.account.bootstraps import ACCOUNTS, ROLE, bootstrapped, role, trusted

OLD, NEW = "repo:hokusai-example/hokusai", "repo:hokusai-example@1000001/hokusai@2000002"
ISSUER = "token.actions.githubusercontent.com"
MAIN = "refs/heads/main"
Token = Mapping[str, str]


def token(sub: str, **claims: str) -> Token:
    """Return a token of our repository; what a case says wins."""
    return {"aud": "sts.amazonaws.com", "repository_id": "2000002", "sub": sub} | claims


def accepts(account: str, name: str, said: Token) -> bool:
    """Compare as IAM does: all keys of ``StringEquals``, any value of each, a missing one never."""
    [statement] = trusted(role(account, name))
    assert statement["Effect"] == "Allow"
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"].keys() == {"StringEquals"}
    wanted: dict[str, list[str]] = statement["Condition"]["StringEquals"]
    return all(said.get(key.removeprefix(f"{ISSUER}:")) in any_of for key, any_of in wanted.items())


def of_environment(name: str, ref: str = MAIN, prefix: str = OLD) -> Token:
    return token(f"{prefix}:environment:{name}", environment=name, ref=ref)


PULL_REQUEST = token(f"{OLD}:pull_request", ref="refs/pull/7/merge", base_ref="main")
NIGHTLY = token(f"{OLD}:ref:{MAIN}", ref=MAIN)
OTHER_BRANCH = token(f"{OLD}:ref:refs/heads/feature", ref="refs/heads/feature")
IN_ROLE = {
    "preview": [
        PULL_REQUEST,
        {**PULL_REQUEST, "sub": f"{NEW}:pull_request"},
        NIGHTLY,
        {**NIGHTLY, "sub": f"{NEW}:ref:{MAIN}"},
    ],
    "build": [of_environment("build"), of_environment("build", prefix=NEW)],
    "deploy-staging": [of_environment("staging"), of_environment("staging", prefix=NEW)],
}
NOWHERE: dict[str, Token] = {
    "a branch without environment": OTHER_BRANCH,
    "a tag": token(f"{OLD}:ref:refs/tags/v1", ref="refs/tags/v1"),
    "an environment nobody has": of_environment("sandbox"),
    "prod, which is another account": of_environment("prod"),
    "staging from another branch": of_environment("staging", "refs/heads/feature"),
    "build from a pull request": of_environment("build", "refs/pull/7/merge"),
    "staging, without saying where it runs": token(
        f"{OLD}:environment:staging", environment="staging"
    ),
    "a fork's own workflow": token(
        "repo:somebody/hokusai:pull_request", repository_id="3000003", ref=MAIN
    ),
    "a fork's own environment": {
        **of_environment("staging"),
        "sub": "repo:somebody/hokusai:environment:staging",
        "repository_id": "3000003",
    },
    "a repository of the same owner": {
        **PULL_REQUEST,
        "sub": "repo:hokusai-example/other:pull_request",
        "repository_id": "3000003",
    },
    "a repository that took the name over": {**PULL_REQUEST, "repository_id": "3000003"},
    "an owner who took the name over": {
        **PULL_REQUEST,
        "sub": "repo:hokusai-example@9/hokusai@3000003:pull_request",
        "repository_id": "3000003",
    },
    "a longer name": {**PULL_REQUEST, "sub": f"{OLD}-evil:pull_request"},
    "a token for somebody else": {**PULL_REQUEST, "aud": "https://github.com/hokusai-example"},
    "a token without the repository's number": {
        key: value for key, value in PULL_REQUEST.items() if key != "repository_id"
    },
    "an environment that is named like a pull request": of_environment("pull_request"),
}


def roles(account: str) -> set[str]:
    return {
        each.name
        for each in bootstrapped(account).of(ROLE)
        if "WebIdentity" in each.inputs["assumeRolePolicy"]
    }


def test_there_is_a_role_for_each_job_and_images_are_pushed_from_one_account() -> None:
    assert roles("staging") == IN_ROLE.keys()
    assert roles("prod") == {"preview", "deploy-prod"}


@pytest.mark.parametrize("name", IN_ROLE)
def test_a_job_takes_on_its_own_role_and_no_other(name: str) -> None:
    for said in IN_ROLE[name]:
        assert {each for each in roles("staging") if accepts("staging", each, said)} == {name}


@pytest.mark.parametrize("case", NOWHERE)
def test_a_stranger_takes_on_none(case: str) -> None:
    assert not {each for each in roles("staging") if accepts("staging", each, NOWHERE[case])}


def test_prod_is_deployed_from_its_environment_and_from_main_alone() -> None:
    takes = [
        said
        for said in (
            of_environment("prod"),
            of_environment("prod", prefix=NEW),
            of_environment("prod", "refs/heads/feature"),
            of_environment("staging"),
            NIGHTLY,
            PULL_REQUEST,
        )
        if accepts("prod", "deploy-prod", said)
    ]
    assert takes == [of_environment("prod"), of_environment("prod", prefix=NEW)]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_role_trusts_the_account_s_own_provider_and_no_key(account: str) -> None:
    provider = f"arn:aws:iam::{ACCOUNTS[account]}:oidc-provider/{ISSUER}"
    for name in roles(account):
        [statement] = trusted(role(account, name))
        assert statement["Principal"] == {"Federated": provider}
    assert bootstrapped(account).of("aws:iam/accessKey:AccessKey") == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"owner": "a/b"}, "owner 'a/b'"),
        ({"name": "hokusai-example/hokusai"}, "without its owner"),
        ({"owner_id": "me"}, "gh api"),
        ({"repository_id": "0"}, "gh api"),
        ({"branch": "*"}, "without a pattern"),
        ({"branch": "main:x"}, "one branch"),
    ],
)
def test_what_would_trust_more_than_one_repository_does_not_construct(
    wrong: dict[str, Any], says: str
) -> None:
    values = {"owner": "o", "owner_id": "1", "name": "r", "repository_id": "2"}
    with pytest.raises(ValueError, match=says):
        GitHubRepository(**values | wrong)


def test_an_environment_s_name_holds_no_colon() -> None:
    repository = GitHubRepository(owner="o", owner_id="1", name="r", repository_id="2")
    with pytest.raises(ValueError, match="environment 'a:b'"):
        repository.environment("a:b")
