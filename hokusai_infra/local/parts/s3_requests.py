"""Which permissions an S3 request needs, told from its method, address and headers.

docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html
docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree as ET

_ON_BUCKET: Final = {
    ("GET", "location"): "s3:GetBucketLocation",
    ("GET", "uploads"): "s3:ListBucketMultipartUploads",
    ("GET", "versions"): "s3:ListBucketVersions",
    ("GET", "versioning"): "s3:GetBucketVersioning",
    ("PUT", "versioning"): "s3:PutBucketVersioning",
    ("GET", "policy"): "s3:GetBucketPolicy",
    ("PUT", "policy"): "s3:PutBucketPolicy",
    ("DELETE", "policy"): "s3:DeleteBucketPolicy",
    ("GET", "lifecycle"): "s3:GetLifecycleConfiguration",
    ("PUT", "lifecycle"): "s3:PutLifecycleConfiguration",
    ("DELETE", "lifecycle"): "s3:PutLifecycleConfiguration",
    ("GET", "cors"): "s3:GetBucketCORS",
    ("PUT", "cors"): "s3:PutBucketCORS",
    ("DELETE", "cors"): "s3:PutBucketCORS",
    ("GET", "tagging"): "s3:GetBucketTagging",
    ("PUT", "tagging"): "s3:PutBucketTagging",
    ("DELETE", "tagging"): "s3:PutBucketTagging",
    ("GET", "acl"): "s3:GetBucketAcl",
    ("PUT", "acl"): "s3:PutBucketAcl",
    ("GET", "encryption"): "s3:GetEncryptionConfiguration",
    ("PUT", "encryption"): "s3:PutEncryptionConfiguration",
    ("GET", ""): "s3:ListBucket",
    ("HEAD", ""): "s3:ListBucket",
    ("PUT", ""): "s3:CreateBucket",
    ("DELETE", ""): "s3:DeleteBucket",
}
_ON_OBJECT: Final = {
    ("GET", "uploadId"): "s3:ListMultipartUploadParts",
    ("DELETE", "uploadId"): "s3:AbortMultipartUpload",
    ("GET", "tagging"): "s3:GetObjectTagging",
    ("PUT", "tagging"): "s3:PutObjectTagging",
    ("DELETE", "tagging"): "s3:DeleteObjectTagging",
    ("GET", "acl"): "s3:GetObjectAcl",
    ("PUT", "acl"): "s3:PutObjectAcl",
    ("GET", "versionId"): "s3:GetObjectVersion",
    ("HEAD", "versionId"): "s3:GetObjectVersion",
    ("DELETE", "versionId"): "s3:DeleteObjectVersion",
    ("GET", ""): "s3:GetObject",
    ("HEAD", ""): "s3:GetObject",
    ("PUT", ""): "s3:PutObject",
    ("POST", ""): "s3:PutObject",
    ("DELETE", ""): "s3:DeleteObject",
}
"""Actions by method and the part of the query that tells operations apart; ``""`` is any other.

Beginning, filling and completing an upload in parts all need ``s3:PutObject``.
"""
_NO_CONTENT: Final = frozenset({"acl", "tagging", "uploadId"})
"""Parts of a query that make it one about something else than an object as a whole."""
_CREDENTIAL: Final = re.compile(r"Credential=([A-Za-z0-9]+)/")


@dataclass(frozen=True)
class S3Request:
    """One request in the form that puts the bucket into the path."""

    method: str
    uri: str
    """Path and query as they were sent."""
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: str = ""
    """Needed only where it names objects: of ``POST ?delete``."""

    def access_key_id(self) -> str:
        """Tell which key signed it, in a header or in a presigned address; ``""`` if none."""
        if found := _CREDENTIAL.search(self.headers.get("authorization", "")):
            return found[1]
        return self._query().get("X-Amz-Credential", "").partition("/")[0]

    def needs(self) -> Iterator[tuple[str, str]]:
        """List the permissions that it needs: action and ARN."""
        (bucket, key), query = self._place(), self._query()
        arn = f"arn:aws:s3:::{bucket}"
        if not bucket:
            yield "s3:ListAllMyBuckets", "*"
        elif not key and self.method == "POST" and "delete" in query:
            for name, version in self._deleted():
                yield f"s3:DeleteObject{'Version' if version else ''}", f"{arn}/{name}"
        elif not key:
            yield _named(_ON_BUCKET, self.method, query), arn
        else:
            yield _named(_ON_OBJECT, self.method, query), f"{arn}/{key}"
            if source := self.headers.get("x-amz-copy-source"):
                path, _, version = source.partition("?versionId=")
                action = "s3:GetObjectVersion" if version else "s3:GetObject"
                yield action, f"arn:aws:s3:::{unquote(path).removeprefix('/')}"
            if "x-amz-tagging" in self.headers:
                yield "s3:PutObjectTagging", f"{arn}/{key}"

    def needs_of_keys(self, keys: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """List what S3 asks KMS in the caller's name: action and ARN of the key.

        ``keys`` holds the ARN of the key that a bucket encrypts with, by the bucket's name.

        docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
        docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html: an upload in parts is also
        read, before it is complete.
        """
        bucket, object_key = self._place()
        query = self._query()
        if object_key and not query.keys() & _NO_CONTENT and bucket in keys:
            starts_parts = self.method == "POST" and "uploads" in query
            if self.method == "PUT" or starts_parts:
                yield "kms:GenerateDataKey", keys[bucket]
            if self.method == "GET" or starts_parts:
                yield "kms:Decrypt", keys[bucket]
        source = unquote(self.headers.get("x-amz-copy-source", "")).removeprefix("/")
        if (copied := source.partition("/")[0]) in keys:
            yield "kms:Decrypt", keys[copied]

    def _place(self) -> tuple[str, str]:
        """Split the path into bucket and object key."""
        path = unquote(urlsplit(self.uri).path).removeprefix("/")
        bucket, _, key = path.partition("/")
        return bucket, key

    def _query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.uri).query, keep_blank_values=True))

    def _deleted(self) -> Iterator[tuple[str, str]]:
        """Read which objects a request that deletes several names."""
        try:
            root = ET.fromstring(self.body)  # noqa: S314 - from services of this stack
        except ET.ParseError:  # S3 refuses it, too; whoever sent it wanted any of them
            yield "*", ""
            return
        for each in root.iterfind("{*}Object"):
            yield each.findtext("{*}Key", ""), each.findtext("{*}VersionId", "")


def _named(actions: Mapping[tuple[str, str], str], method: str, query: Mapping[str, str]) -> str:
    """Find the action; one that is not in the table is named so that no policy allows it."""
    told = next((each for each in query if (method, each) in actions), "")
    return actions.get((method, told), f"s3:Unknown{method.title()}")
