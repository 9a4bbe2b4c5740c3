import datetime as dt

import boto3
import pytest

from hokusai_infra.local.parts import rds_token
from hokusai_infra.local.parts.credentials import Identity, KeyPair
from tests.local.parts.running import allow, policy

ARN = "arn:aws:rds-db:eu-west-1:111111111111:dbuser:db-1/hokusai_api"
KEY = KeyPair.random()
IDENTITIES = {
    KEY.access_key_id: Identity(
        name="api", arn="arn:api", key=KEY, policies=(policy(allow("rds-db:connect", ARN)),)
    )
}
TARGET = rds_token.Target(
    hosts=frozenset({"localhost:5432"}), user="hokusai_api", region="eu-west-1", user_arn=ARN
)


def token(host: str = "localhost", region: str = "eu-west-1", user: str = "hokusai_api") -> str:
    rds = boto3.client(
        "rds",
        region_name=region,
        aws_access_key_id=KEY.access_key_id,
        aws_secret_access_key=KEY.secret_access_key,
    )
    return str(rds.generate_db_auth_token(host, 5432, user))


@pytest.mark.parametrize("seconds", [-299, 0, 898])
def test_a_token_holds_for_15_minutes(seconds: int) -> None:
    now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    assert rds_token.check(token(), TARGET, IDENTITIES, now).name == "api"


@pytest.mark.parametrize(("seconds", "reason"), [(901, "expired"), (-310, "in the future")])
def test_a_token_does_not_hold_longer(seconds: int, reason: str) -> None:
    now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    with pytest.raises(rds_token.TokenError, match=reason):
        rds_token.check(token(), TARGET, IDENTITIES, now)


def test_a_life_that_was_made_longer_breaks_the_signature() -> None:
    longer = token().replace("X-Amz-Expires=900", "X-Amz-Expires=90000")
    with pytest.raises(rds_token.TokenError, match="signature is wrong"):
        rds_token.check(longer, TARGET, IDENTITIES, dt.datetime.now(dt.UTC))


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (token(host="other"), "the token is for other:5432"),
        (token(region="us-east-1"), "not for rds-db:connect in eu-west-1"),
        (token(user="hokusai_mlflow"), "for the user 'hokusai_mlflow'"),
        (token().replace("Action=connect", "Action=drop"), "signature is wrong"),
        (token().replace("/?", "?"), "no IAM token"),
        ("correct horse", "no IAM token"),
        ("", "no IAM token"),
    ],
)
def test_a_token_for_something_else_is_refused(made: str, reason: str) -> None:
    with pytest.raises(rds_token.TokenError, match=reason):
        rds_token.check(made, TARGET, IDENTITIES, dt.datetime.now(dt.UTC))
