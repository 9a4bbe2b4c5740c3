"""Why a credential was refused: one class, and one stable code, for each reason."""

from app.errors import (
    BadRequestError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)


class NoCredentialError(UnauthenticatedError):
    """The request carries no credential."""

    code = "no_credential"


class MalformedCredentialError(UnauthenticatedError):
    """The Authorization header holds nothing this service knows."""

    code = "malformed_credential"


class MalformedKeyError(UnauthenticatedError):
    """Not the form of an API key, or its checksum is wrong."""

    code = "malformed_key"


class WrongEnvironmentError(UnauthenticatedError):
    """An API key of another environment."""

    code = "wrong_environment"


class UnknownKeyError(UnauthenticatedError):
    """No such API key; also the answer to a known id with a wrong secret."""

    code = "unknown_key"


class RevokedKeyError(UnauthenticatedError):
    """The API key was revoked."""

    code = "revoked_key"


class ExpiredKeyError(UnauthenticatedError):
    """The API key is past its end."""

    code = "expired_key"


class InvalidTokenError(UnauthenticatedError):
    """A session or inner token that was not made here, or not for this endpoint."""

    code = "invalid_token"


class ExpiredTokenError(UnauthenticatedError):
    """A session or inner token past its end."""

    code = "expired_token"


class EndedSessionError(UnauthenticatedError):
    """The session was signed out."""

    code = "ended_session"


class SeveralCredentialsError(BadRequestError):
    """More than one credential on one request."""

    code = "several_credentials"


class CredentialInQueryError(BadRequestError):
    """A credential in the query string, where logs and histories keep it."""

    code = "credential_in_query"


class WrongProjectError(PermissionDeniedError):
    """The request names a project that is not the credential's."""

    code = "wrong_project"


class OriginMismatchError(PermissionDeniedError):
    """A changing request by cookie that does not come from a page of this host."""

    code = "origin_mismatch"


class KeysUnavailableError(UnavailableError):
    """The process has not heard of changed keys for too long to trust what it knows."""

    code = "keys_unavailable"
