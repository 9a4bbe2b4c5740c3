"""Keep the caller's cloud out of the local stack."""

import os
from typing import Final

_PROXIES: Final = frozenset({"all_proxy", "http_proxy", "https_proxy", "no_proxy"})


def forget_the_caller() -> None:
    """Drop the caller's credentials, profiles, end points and proxies from this process.

    The supervisor calls its parts with boto3, which would else look for a profile that it must not
    know, or send a local request to an account or a proxy.
    """
    for name in [*os.environ]:
        if name.startswith("AWS_") or name.lower() in _PROXIES:
            del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
