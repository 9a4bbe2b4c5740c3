"""What holds where the internet comes in."""

import re
from collections.abc import Iterator
from typing import Final

from pulumi_policy import PolicyResource, ResourceValidationArgs

from hokusai_infra.policy.documents import is_prod
from hokusai_infra.policy.rule import Rule, Stack, resource_rule, shown, stack_rule

BALANCER: Final = "aws:lb/loadBalancer:LoadBalancer"
LISTENER: Final = "aws:lb/listener:Listener"
LISTENER_RULE: Final = "aws:lb/listenerRule:ListenerRule"
FIREWALL: Final = "aws:wafv2/webAcl:WebAcl"
FIREWALL_LOGS: Final = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
GUARDED: Final = "aws:wafv2/webAclAssociation:WebAclAssociation"
GUIDE: Final = "https://docs.aws.amazon.com/elasticloadbalancing/latest/application"

CREDENTIALS: Final = frozenset({"authorization", "cookie"})

# <GUIDE>/describe-ssl-policies.html: TLS 1.2 with forward secrecy and AEAD, or 1.3 alone; those
# with Ext, 1-0 or 1-1 in their names take more.
TLS_POLICY: Final = re.compile(
    r"ELBSecurityPolicy-TLS13-1-(?:3|2-Res|2)(?:-FIPS)?(?:-PQ)?-20\d\d-\d\d"
)


@resource_rule(
    "http-only-redirects",
    of=LISTENER,
    promise="A request in clear is answered with a redirect to HTTPS, and reaches no service.",
    page=f"{GUIDE}/create-listener.html",
)
def http_only_redirects(listener: ResourceValidationArgs) -> Iterator[str]:
    """Check what a listener without TLS does."""
    if listener.props.get("protocol") == "HTTPS":
        return
    for action in listener.props.get("defaultActions", []):
        to = action.get("redirect") or {}
        if action.get("type") != "redirect" or to.get("protocol") != "HTTPS":
            port = shown(listener.props.get("port"))
            yield f"At port {port} it answers with {action.get('type')}."


@resource_rule(
    "tls-policy-is-current",
    of=LISTENER,
    promise="TLS is 1.2 or newer, with forward secrecy.",
    page=f"{GUIDE}/describe-ssl-policies.html",
)
def tls_policy_is_current(listener: ResourceValidationArgs) -> Iterator[str]:
    """Check the policy's name, which says what it takes."""
    if listener.props.get("protocol") != "HTTPS":
        return
    policy = str(listener.props.get("sslPolicy"))
    if not TLS_POLICY.fullmatch(policy):
        yield f"{policy} takes older TLS or weaker ciphers; see the page for current ones."


@stack_rule(
    "requests-are-served-over-tls",
    of=LISTENER_RULE,
    promise="Services answer at HTTPS listeners.",
    page=f"{GUIDE}/listener-rules.html",
)
def served_over_tls(rule: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check the listener of each rule."""
    del stack
    for listener in rule.property_dependencies.get("listenerArn", []):
        if listener.resource_type == LISTENER and listener.props.get("protocol") != "HTTPS":
            yield f"It is at {listener.name}, where requests come in clear."


@resource_rule(
    "load-balancer-reads-requests-strictly",
    of=BALANCER,
    promise="A request that two readers could understand in two ways reaches no service.",
    page=f"{GUIDE}/application-load-balancers.html#desync-mitigation-mode",
)
def reads_strictly(balancer: ResourceValidationArgs) -> Iterator[str]:
    """Check what happens to invalid headers and ambiguous requests."""
    if balancer.props.get("dropInvalidHeaderFields") is not True:
        yield "dropInvalidHeaderFields is not true."
    if balancer.props.get("desyncMitigationMode", "defensive") not in ("defensive", "strictest"):
        yield f"desyncMitigationMode is {balancer.props['desyncMitigationMode']}."


@resource_rule(
    "load-balancer-logs-requests",
    of=BALANCER,
    promise="Every request that comes in is logged.",
    page=f"{GUIDE}/load-balancer-access-logs.html",
)
def logs_requests(balancer: ResourceValidationArgs) -> Iterator[str]:
    """Check that access logs are on."""
    logs = balancer.props.get("accessLogs") or {}
    if logs.get("enabled") is not True:
        yield "accessLogs.enabled is not true."


@resource_rule(
    "load-balancer-stays-in-prod",
    of=BALANCER,
    promise="AWS refuses to delete a load balancer of prod, whose name clients' records point to.",
    page=f"{GUIDE}/application-load-balancers.html#deletion-protection",
)
def stays_in_prod(balancer: ResourceValidationArgs) -> Iterator[str]:
    """Check deletion protection."""
    if is_prod(balancer.provider) and balancer.props.get("enableDeletionProtection") is not True:
        yield "enableDeletionProtection is not true."


@stack_rule(
    "firewall-in-front-of-prod",
    of=BALANCER,
    promise="A web application firewall stands before what the internet reaches of prod.",
    page="https://docs.aws.amazon.com/securityhub/latest/userguide/elb-controls.html#elb-16",
)
def firewall_in_front(balancer: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check that one is attached to each public load balancer."""
    public = not balancer.props.get("internal")
    guarded = stack.pointing_at(balancer, GUARDED, "resourceArn")
    if public and is_prod(balancer.provider) and not guarded:
        yield "There is no WebAclAssociation for it."


@resource_rule(
    "firewall-limits-the-rate",
    of=FIREWALL,
    promise="One address cannot send requests without end.",
    page="https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based.html",
)
def limits_the_rate(firewall: ResourceValidationArgs) -> Iterator[str]:
    """Check that a rule counts requests of one address, and blocks."""
    for rule in firewall.props.get("rules", []):
        counts = rule.get("statement", {}).get("rateBasedStatement")
        if counts and "block" in (rule.get("action") or {}):
            return
    yield "No rule with a rateBasedStatement blocks."


@resource_rule(
    "firewall-logs-no-credentials",
    of=FIREWALL_LOGS,
    promise="The firewall's log has no credential of a request that it saw.",
    page="https://docs.aws.amazon.com/waf/latest/developerguide/logging-management.html",
)
def logs_no_credentials(logs: ResourceValidationArgs) -> Iterator[str]:
    """Check the headers that are blanked."""
    blanked = {
        str((each.get("singleHeader") or {}).get("name")).lower()
        for each in logs.props.get("redactedFields") or []
    }
    for header in sorted(CREDENTIALS - blanked):
        yield f"The header {header} is logged."


RULES: Final[tuple[Rule, ...]] = (
    http_only_redirects,
    tls_policy_is_current,
    served_over_tls,
    reads_strictly,
    logs_requests,
    stays_in_prod,
    firewall_in_front,
    limits_the_rate,
    logs_no_credentials,
)
