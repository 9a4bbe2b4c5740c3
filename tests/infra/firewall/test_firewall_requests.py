"""The real prod firewall, asked with what clients send and with what attackers send.

``client_requests.json`` is what the stock MLflow client sent for ``examples/quickstart.py`` and
``tests/app/mlflow/journey.py``, written down at its HTTP session and with all ids made equal.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from hokusai_infra.components.managed_rules import GROUPS
from tests.infra.firewall.firewall import Request, ask, condition
from tests.infra.recordings import recorded

MLFLOW: Final = "mlflow.hokusai.example"
API: Final = "api.hokusai.example"
CLIENT: Final = {
    "user-agent": "python-requests/2.34.2",
    "accept": "*/*",
    "authorization": "Bearer hk_live_" + "k" * 54,
}
BROWSER: Final = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "cookie": "__Host-hokusai=" + "e" * 900,
}
ARTIFACTS: Final = "/api/2.0/mlflow-artifacts/artifacts/1/" + "0123456789abcdef" * 2 + "/artifacts"
GIB: Final = 1024**3
OF_THE_CLIENT: Final[list[dict[str, Any]]] = json.loads(
    Path(__file__).with_name("client_requests.json").read_text()
)


def upload(name: str, body: str = "", size: int = 6_000_000) -> Request:
    return Request(
        host=MLFLOW,
        method="PUT",
        path=f"{ARTIFACTS}/{quote(name)}",
        headers=CLIENT,
        body=body,
        body_size=size,
    )


def logged(text: str) -> Request:
    body = json.dumps({"run_id": "0" * 32, "key": "note", "value": text})
    return Request(
        host=MLFLOW,
        method="POST",
        path="/api/2.0/mlflow/runs/set-tag",
        headers=CLIENT,
        body=body,
        body_size=len(body),
    )


def searched(text: str) -> Request:
    return Request(
        host=MLFLOW,
        path="/api/2.0/mlflow/registered-models/search",
        query=f"filter={quote(text)}&max_results=100",
        headers=CLIENT,
    )


RIGHTFUL: Final = {
    "an artifact of 1 GiB": upload("model.safetensors", size=GIB),
    "an artifact named .env": upload(".env", "KEY=value"),
    "a log file": upload("train.log", "epoch 1\n"),
    "a configuration": upload("conf/model.ini", "[model]\n"),
    "a log file seen in a browser": Request(
        host=MLFLOW, path="/get-artifact", query="path=train.log&run_uuid=0", headers=BROWSER
    ),
    "a deep folder with names that are not ASCII": upload("é漢" * 100 + ".txt", size=3),
    "a report in HTML": upload("report.html", "<html><script>plot()</script>"),
    "Java bytecode": upload("scorer.jar", "…java.lang.Runtime…"),
    "a bundle of JavaScript": upload("ui.js", 'x = "$1:__proto__:then"'),
    "a batch of 1000 metrics": Request(
        host=MLFLOW,
        method="POST",
        path="/api/2.0/mlflow/runs/log-batch",
        headers=CLIENT,
        body="{",
        body_size=116_000,
    ),
    "a comparison of a hundred runs": Request(
        host=MLFLOW,
        path="/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval",
        query="&".join(f"run_ids={each:032x}" for each in range(100)),
        headers=BROWSER,
    ),
    "a question to an agent about an exploit": logged("What does ${jndi:ldap://x} do?"),
    "a note about the metadata service": logged("reads 169.254.169.254"),
    "a relative path as parameter": logged("../../data/train.csv"),
    "a data source by address": logged("http://10.0.0.7/data.csv"),
    "a search that looks like SQL": searched("name = 'iris' AND tags.team = 'blue'"),
    "a search for markup": searched("tags.template = '<script>'"),
    "a search for an address": searched("tags.source = 'http://10.0.0.7/'"),
    "a search of runs": Request(
        host=MLFLOW,
        method="POST",
        path="/api/2.0/mlflow/runs/search",
        headers=CLIENT,
        body='{"filter": "metrics.m7 = 7 and tags.kind = \'journey\'"}',
        body_size=54,
    ),
    "the page in a browser": Request(host=MLFLOW, headers=BROWSER),
    "a key that is made": Request(
        host=API,
        method="POST",
        path="/api/v1/keys",
        headers=CLIENT,
        body='{"name": "laptop", "permissions": ["models:read", "models:write"]}',
        body_size=66,
    ),
    "who am I": Request(host=API, path="/api/v1/auth/whoami", headers=CLIENT),
    "the list of models": Request(
        host=API, path="/api/v1/models", query="limit=50", headers=CLIENT
    ),
    "a client at a hosting provider": Request(
        host=MLFLOW, headers=CLIENT, lists=frozenset({"HostingProviderIPList"})
    ),
    "a person behind a VPN": Request(
        host=API, headers=BROWSER, lists=frozenset({"AnonymousIPList"})
    ),
    "somebody who has taken part in floods": Request(
        host=API, headers=BROWSER, lists=frozenset({"AWSManagedIPDDoSList"})
    ),
} | {
    f"{each['method']} {each['path']} {each.get('query', '')}": Request(
        host=MLFLOW, headers=CLIENT, **each
    )
    for each in OF_THE_CLIENT
}

PARTS: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "BODY": lambda text: {"body": text, "body_size": len(text)},
    "URIPATH": lambda text: {"path": f"/{text}"},
    "QUERYARGUMENTS": lambda text: {"query": f"a={text}"},
    "QUERYSTRING": lambda text: {"query": f"a={text}"},
    "COOKIE": lambda text: {"headers": {**BROWSER, "cookie": text}},
    "HEADER": lambda text: {"headers": {**BROWSER, "x": text}},
}
ATTACKS: Final = {
    "EC2MetaDataSSRF": "http://169.254.169.254/latest/meta-data/",
    "GenericLFI": "../../etc/passwd",
    "RestrictedExtensions": "app/debug.log",
    "GenericRFI": "http://203.0.113.9/shell",
    "CrossSiteScripting": "<script>alert(1)</script>",
    "JavaDeserializationRCE": '(java.lang.Runtime).getRuntime().exec("whoami")',
    "Log4JRCE": "${jndi:ldap://example.com/}",
    "ExploitablePaths": "web-inf/web.xml",
    "ReactJSRCE": '{"then": "$1:__proto__:then"}',
    "SQLi": "' OR 1=1; -- ",
    "SQLiExtendedPatterns": "' UNION SELECT password FROM users",
}
BLUNT: Final[dict[str, dict[str, Any]]] = {
    "NoUserAgent_HEADER": {"headers": {}},
    "UserAgent_BadBots_HEADER": {"headers": {"user-agent": "Nmap Scripting Engine"}},
    "SizeRestrictions_QUERYSTRING": {"query": "q" * 2049},
    "SizeRestrictions_Cookie_HEADER": {"headers": {**BROWSER, "cookie": "c" * 10_241}},
    "SizeRestrictions_BODY": {"method": "POST", "body_size": 8193},
    "SizeRestrictions_URIPATH": {"path": "/" + "p" * 1024},
    "Host_localhost_HEADER": {"host": "localhost"},
    "PROPFIND_METHOD": {"method": "PROPFIND"},
}
RULES: Final = [rule for group in GROUPS for rule in group.rules]
NOWHERE: Final = {rule for group in GROUPS for rule in group.counting}


def attack(rule: str, host: str) -> Request:
    """Make a request that a rule looks for."""
    if rule in BLUNT:
        changed = BLUNT[rule]
    elif "_" not in rule:
        changed = {"lists": frozenset({rule})}
    else:
        kind, _, part = rule.rpartition("_")
        changed = PARTS[part](ATTACKS[kind])
    return Request(**{"host": host, "headers": BROWSER, **changed})


@cache
def firewall() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = recorded("prod").one("aws:wafv2/webAcl:WebAcl").inputs["rules"]
    return rules


@pytest.mark.parametrize("name", RIGHTFUL)
def test_a_rightful_request_gets_through(name: str) -> None:
    assert ask(firewall(), RIGHTFUL[name]).blocked_by is None


@pytest.mark.parametrize("rule", RULES)
def test_what_a_rule_looks_for_is_blocked_where_it_blocks(rule: str) -> None:
    (group,) = (each for each in GROUPS if rule in each.rules)
    for host, is_open in ((API, False), (MLFLOW, True)):
        request = attack(rule, host)
        assert condition(rule)(request), "the attack is one"
        blocked = ask(firewall(), request).blocked_by
        if rule in group.blocking(open_host=is_open):
            assert blocked is not None, host
        if rule in group.counting or (is_open and rule in group.counting_on_open_hosts):
            others = {each for each in RULES if condition(each)(request)} - {rule}
            assert blocked is None or blocked in others


@pytest.mark.parametrize(
    "rule", [rule for group in GROUPS for rule in (*group.counting, *group.counting_on_open_hosts)]
)
def test_a_rule_counts_only_because_a_rightful_request_matches_it(rule: str) -> None:
    assert any(condition(rule)(each) for each in RIGHTFUL.values())


def test_what_counts_at_mlflow_is_seen_in_the_log() -> None:
    verdict = ask(firewall(), RIGHTFUL["a report in HTML"])
    assert verdict.counted_by == {"SizeRestrictions_BODY", "CrossSiteScripting_BODY"}


@pytest.mark.parametrize("host", [API, "other.hokusai.example", f"{MLFLOW}:443", "10.30.0.4"])
def test_no_other_host_is_spared(host: str) -> None:
    request = attack("CrossSiteScripting_BODY", host)
    assert ask(firewall(), request).blocked_by == "counted-on-another-host"
    assert ask(firewall(), attack("CrossSiteScripting_BODY", MLFLOW.upper())).blocked_by is None


def test_a_flood_is_blocked_and_a_busy_client_is_not() -> None:
    limit = 60_000
    for requests, blocked_by in ((limit, None), (limit + 1, "rate-of-a-source")):
        request = Request(host=MLFLOW, headers=CLIENT, in_five_minutes=requests)
        assert ask(firewall(), request).blocked_by == blocked_by
