import http.client
import json
import pickle
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError, CredentialRetrievalError

from hokusai_infra.local.parts.credentials import KeyPair
from tests.local.parts.running import KEY_ARN, REGION, Parts

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

PREFIX = "hokusai/local/projects"


def refusal(call: Callable[[], object]) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def secret(parts: Parts) -> str:
    """ARN of a new secret of the API's, below a customer's key."""
    made = parts.client("secretsmanager", parts.api.key).create_secret(
        Name=f"{PREFIX}/{secrets.token_hex(4)}/api-keys", SecretString="1", KmsKeyId=KEY_ARN
    )
    return str(made["ARN"])


def test_a_role_uses_its_own_secrets(parts: Parts, secret: str) -> None:
    api = parts.client("secretsmanager", parts.api.key)
    name = api.describe_secret(SecretId=secret)["Name"]
    for identifier in (secret, name):
        assert api.get_secret_value(SecretId=identifier)["SecretString"] == "1"
    api.put_secret_value(SecretId=name, SecretString="2")
    assert api.get_secret_value(SecretId=secret)["SecretString"] == "2"


def test_a_role_is_refused_what_its_policies_do_not_say(parts: Parts) -> None:
    operator = parts.client("secretsmanager")
    foreign = operator.create_secret(Name="hokusai/prod/x", SecretString="1")["ARN"]
    longer = operator.create_secret(Name="hokusai/local/signing-keys-x", SecretString="1")["ARN"]
    api = parts.client("secretsmanager", parts.api.key)
    denied = ("AccessDeniedException", 400)
    assert refusal(lambda: api.get_secret_value(SecretId=foreign)) == denied
    assert refusal(lambda: api.get_secret_value(SecretId="hokusai/prod/x")) == denied
    assert refusal(lambda: api.get_secret_value(SecretId=longer)) == denied
    assert refusal(lambda: api.create_secret(Name="hokusai/prod/y", SecretString="1")) == denied
    assert refusal(api.list_secrets) == denied
    missing = refusal(lambda: api.get_secret_value(SecretId=f"{PREFIX}/none"))
    assert missing[0] == "ResourceNotFoundException"
    iam = parts.client("iam", parts.api.key)
    assert refusal(iam.list_users) == ("AccessDenied", 403)
    assert '"event": "access_denied"' in parts.children["control-plane"].log()


def test_reading_needs_the_key_that_encrypts(parts: Parts, secret: str) -> None:
    other = parts.client("secretsmanager", parts.other.key)
    with pytest.raises(ClientError, match=f"kms:Decrypt on resource: {KEY_ARN}"):
        other.get_secret_value(SecretId=secret)
    plain = parts.client("secretsmanager").create_secret(Name=f"{PREFIX}/plain", SecretString="1")
    assert other.get_secret_value(SecretId=plain["ARN"])["SecretString"] == "1"


def test_a_condition_that_cannot_be_told_grants_nothing_and_is_said(
    parts: Parts, secret: str
) -> None:
    other = parts.client("secretsmanager", parts.other.key)
    with pytest.raises(ClientError, match="of Allow Unknown, the condition cannot be told locally"):
        other.describe_secret(SecretId=secret)


def test_wrong_keys_are_refused_in_the_words_of_the_protocol(parts: Parts) -> None:
    forged = KeyPair(parts.api.key.access_key_id, secrets.token_hex(20))
    for key, code in (
        (forged, "InvalidSignatureException"),
        (KeyPair.random(), "UnrecognizedClientException"),
    ):
        client = parts.client("secretsmanager", key)
        assert refusal(client.list_secrets) == (code, 400)
    sts = parts.client("sts", forged)
    assert refusal(sts.get_caller_identity) == ("SignatureDoesNotMatch", 403)


@pytest.mark.parametrize(
    "path", ["/", "/moto-api/reset", "/moto-api/data.json", "/latest/meta-data/"]
)
def test_nothing_is_done_for_an_unsigned_request(parts: Parts, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", parts.control_plane.port, timeout=5)
    for method in ("GET", "POST"):  # the second one also shows that the connection stays open
        connection.request(method, path, headers={"X-Amz-Target": "secretsmanager.ListSecrets"})
        answer = connection.getresponse()
        assert answer.status == 403
        assert json.loads(answer.read())["__type"] == "MissingAuthenticationToken"
    connection.close()


def test_s3_is_elsewhere_and_that_is_said(parts: Parts) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=parts.control_plane.url,
        region_name=REGION,
        aws_access_key_id=parts.api.key.access_key_id,
        aws_secret_access_key=parts.api.key.secret_access_key,
    )
    assert refusal(client.list_buckets)[1] == 501


def test_a_task_gets_the_credentials_of_its_role(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    environment = parts.credentials.task_environment(parts.control_plane.url, "api-task", "task-1")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    session = boto3.Session(region_name=REGION)
    sts = session.client("sts", endpoint_url=parts.control_plane.url)
    assert sts.get_caller_identity()["Arn"].endswith("/api-task")

    monkeypatch.setenv(
        "AWS_CONTAINER_AUTHORIZATION_TOKEN", parts.credentials.task_token("api-task", "task-2")
    )
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.RETRY_ATTEMPTS", 1)
    with pytest.raises(CredentialRetrievalError):
        boto3.Session(region_name=REGION).client(
            "sts", endpoint_url=parts.control_plane.url
        ).get_caller_identity()


def test_staging_labels_move_as_in_aws(parts: Parts, secret: str) -> None:
    client = parts.client("secretsmanager")
    versions = list(client.describe_secret(SecretId=secret)["VersionIdsToStages"])
    for value, labels in (("2", ["AWSCURRENT", "a"]), ("3", ["AWSCURRENT"]), ("4", ["a"])):
        put = client.put_secret_value(SecretId=secret, SecretString=value, VersionStages=labels)
        versions.append(put["VersionId"])
    assert stages(client, secret) == {
        versions[1]: {"AWSPREVIOUS"},
        versions[2]: {"AWSCURRENT"},
        versions[3]: {"a"},
    }
    assert client.get_secret_value(SecretId=secret)["SecretString"] == "3"
    previous = client.get_secret_value(SecretId=secret, VersionStage="AWSPREVIOUS")
    assert previous["SecretString"] == "2"
    by_id = client.get_secret_value(SecretId=secret, VersionId=versions[0])
    assert by_id["SecretString"] == "1", "a version without labels can be read by its id"

    client.update_secret_version_stage(
        SecretId=secret,
        VersionStage="AWSCURRENT",
        RemoveFromVersionId=versions[2],
        MoveToVersionId=versions[1],
    )
    assert client.get_secret_value(SecretId=secret)["SecretString"] == "2"


def stages(client: "SecretsManagerClient", secret: str) -> dict[str, set[str]]:
    found = client.describe_secret(SecretId=secret)["VersionIdsToStages"]
    return {version: set(labels) for version, labels in found.items() if labels}


def test_a_version_id_is_taken_once(parts: Parts, secret: str) -> None:
    client = parts.client("secretsmanager", parts.api.key)
    token = secrets.token_hex(16)
    for _ in range(2):
        put = client.put_secret_value(SecretId=secret, SecretString="a", ClientRequestToken=token)
        assert put["VersionId"] == token
    again = refusal(
        lambda: client.put_secret_value(SecretId=secret, SecretString="b", ClientRequestToken=token)
    )
    assert again[0] == "ResourceExistsException"


def test_a_secret_takes_100_versions_a_day_and_64_kib(parts: Parts, secret: str) -> None:
    client = parts.client("secretsmanager", parts.api.key)
    client.put_secret_value(SecretId=secret, SecretString="x" * 65_536)
    too_large = refusal(lambda: client.put_secret_value(SecretId=secret, SecretString="é" * 40_000))
    assert too_large == ("ValidationException", 400)
    for number in range(98):
        client.put_secret_value(SecretId=secret, SecretString=f"{number}")
    one_more = refusal(lambda: client.put_secret_value(SecretId=secret, SecretString="one more"))
    assert one_more == ("LimitExceededException", 400)
    assert client.get_secret_value(SecretId=secret)["SecretString"] == "97"


def test_a_deleted_secret_takes_no_value(parts: Parts, secret: str) -> None:
    client = parts.client("secretsmanager")
    client.delete_secret(SecretId=secret, RecoveryWindowInDays=7)
    put = refusal(lambda: client.put_secret_value(SecretId=secret, SecretString="2"))
    assert put[0] == "InvalidRequestException"


def test_an_acknowledged_change_survives_a_kill(parts: Parts, secret: str) -> None:
    client, kms = parts.client("secretsmanager"), parts.client("kms")
    key = kms.create_key(Description="kept")["KeyMetadata"]["KeyId"]
    signing = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"][
        "KeyId"
    ]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]
    public = kms.get_public_key(KeyId=signing)["PublicKey"]
    version = client.put_secret_value(SecretId=secret, SecretString="last")["VersionId"]
    server = parts.children["control-plane"]
    server.kill()
    server.start()
    value = client.get_secret_value(SecretId=secret)
    assert (value["SecretString"], value["VersionId"]) == ("last", version)
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"kept"
    assert kms.get_public_key(KeyId=signing)["PublicKey"] == public
    assert (parts.state / "control-plane.snapshot").stat().st_mode & 0o777 == 0o600

    assert server.stop() < 2
    file = parts.state / "control-plane.snapshot"
    kept = pickle.loads(file.read_bytes())  # noqa: S301 - written by the server above
    file.write_bytes(pickle.dumps(kept | {"moto": "another"}))
    server.start()
    assert client.get_secret_value(SecretId=secret)["VersionId"] == version
    assert client.describe_secret(SecretId=secret)["KmsKeyId"] == KEY_ARN
    assert "snapshot_of_another_moto" in server.log()


def test_a_role_that_is_no_longer_published_is_refused_at_once(parts: Parts, secret: str) -> None:
    gone = parts.credentials.identity(name="gone-task", arn="arn:gone", policies=parts.api.policies)
    client = parts.client("secretsmanager", gone.key)
    assert (
        refusal(lambda: client.get_secret_value(SecretId=secret))[0]
        == "UnrecognizedClientException"
    )
    parts.credentials.publish([parts.api, parts.other, gone])
    assert client.get_secret_value(SecretId=secret)["SecretString"] == "1"
    parts.credentials.publish([parts.api, parts.other])
    assert (
        refusal(lambda: client.get_secret_value(SecretId=secret))[0]
        == "UnrecognizedClientException"
    )


def test_the_control_token_opens_the_internal_route(parts: Parts) -> None:
    body = json.dumps({"SecretId": parts.master_secret_arn})
    for token, status in ((parts.credentials.control_token, 200), ("wrong", 403)):
        connection = http.client.HTTPConnection("127.0.0.1", parts.control_plane.port, timeout=5)
        headers = {"Authorization": f"Bearer {token}"}
        connection.request("POST", "/_control/secret-value", body, headers)
        assert connection.getresponse().status == status
        connection.close()


def test_no_secret_is_logged(parts: Parts) -> None:
    parts.client("secretsmanager").get_secret_value(SecretId=parts.master_secret_arn)
    text = parts.children["control-plane"].log()
    assert parts.credentials.master_password not in text
    assert parts.credentials.control_token not in text
    assert parts.api.key.secret_access_key not in text
    assert all(json.loads(line)["event"] for line in text.splitlines())
