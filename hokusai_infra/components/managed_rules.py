"""Rule groups that AWS keeps up to date, rule by rule, and which of their rules only count where.

What a rule looks for is on the page of its group. An action is always one of two: BLOCK, which
answers 403, or COUNT, which lets a request pass and leaves a label and a metric.
"""

from dataclasses import dataclass, field
from typing import Final

PAGES: Final = "docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-"

ANY_FILE: Final = "An artifact is a file of any size and content, and is uploaded as the body."
ANY_NAME: Final = (
    "An artifact has any name, train.log and model.ini too, and its path is in the URL."
)
ANY_TEXT: Final = "Parameters, tags and trace spans are any text, and are sent as JSON in the body."
EXPRESSION: Final = (
    "A search sends its filter, which looks like SQL: name = 'iris' AND tags.a != '<b>'."
)


@dataclass(frozen=True, kw_only=True)
class ManagedGroup:
    """A rule group of AWS."""

    name: str
    page: str
    """Page that says what its rules look for."""
    priority: int
    capacity: int
    """Web ACL capacity units; a firewall has 1500 before each further 500 cost extra."""
    labels: str
    """Namespace of the labels that its rules leave."""
    rules: tuple[str, ...]
    """Its rules, as the page lists them."""
    counting: dict[str, str] = field(default_factory=dict[str, str])
    """Rules that count on every host, each with its reason."""
    counting_on_open_hosts: dict[str, str] = field(default_factory=dict[str, str])
    """Rules that count on hosts which take files and expressions, each with its reason."""

    def __post_init__(self) -> None:
        named = [*self.counting, *self.counting_on_open_hosts]
        if unknown := sorted(set(named) - set(self.rules)):
            raise ValueError(f"{self.name} has no rule {', '.join(unknown)}; see {self.page}")
        if len(set(named)) != len(named):
            raise ValueError(f"{self.name}: a rule that counts everywhere need not be named twice")

    def blocking(self, *, open_host: bool) -> frozenset[str]:
        """Return the rules that block on a host."""
        counting = {*self.counting, *(self.counting_on_open_hosts if open_host else ())}
        return frozenset(self.rules) - counting


REPUTATION: Final = ManagedGroup(
    name="AWSManagedRulesAmazonIpReputationList",
    page=f"{PAGES}ip-rep.html",
    priority=0,
    capacity=25,
    labels="awswaf:managed:aws:amazon-ip-list:",
    rules=(
        "AWSManagedIPReputationList",
        "AWSManagedReconnaissanceList",
        "AWSManagedIPDDoSList",
    ),
    counting={
        "AWSManagedIPDDoSList": "AWS itself lets it count: whoever is on it has taken part in "
        "floods, and the rate rule sees a flood by itself."
    },
)
ANONYMOUS: Final = ManagedGroup(
    name="AWSManagedRulesAnonymousIpList",
    page=f"{PAGES}ip-rep.html",
    priority=20,
    capacity=50,
    labels="awswaf:managed:aws:anonymous-ip-list:",
    rules=("AnonymousIPList", "HostingProviderIPList"),
    counting={
        "AnonymousIPList": "People behind a VPN sign in with a key as well; the count shows abuse.",
        "HostingProviderIPList": "Training jobs and CI run at hosting providers: they are the "
        "clients.",
    },
)
KNOWN_BAD: Final = ManagedGroup(
    name="AWSManagedRulesKnownBadInputsRuleSet",
    page=f"{PAGES}baseline.html",
    priority=30,
    capacity=200,
    labels="awswaf:managed:aws:known-bad-inputs:",
    rules=(
        "JavaDeserializationRCE_HEADER",
        "JavaDeserializationRCE_BODY",
        "JavaDeserializationRCE_URIPATH",
        "JavaDeserializationRCE_QUERYSTRING",
        "Host_localhost_HEADER",
        "PROPFIND_METHOD",
        "ExploitablePaths_URIPATH",
        "Log4JRCE_HEADER",
        "Log4JRCE_QUERYSTRING",
        "Log4JRCE_BODY",
        "Log4JRCE_URIPATH",
        "ReactJSRCE_BODY",
    ),
    counting_on_open_hosts={
        "JavaDeserializationRCE_BODY": ANY_FILE,
        "Log4JRCE_BODY": ANY_TEXT,
        "ReactJSRCE_BODY": ANY_FILE,
    },
)
COMMON: Final = ManagedGroup(
    name="AWSManagedRulesCommonRuleSet",
    page=f"{PAGES}baseline.html",
    priority=40,
    capacity=700,
    labels="awswaf:managed:aws:core-rule-set:",
    rules=(
        "NoUserAgent_HEADER",
        "UserAgent_BadBots_HEADER",
        "SizeRestrictions_QUERYSTRING",
        "SizeRestrictions_Cookie_HEADER",
        "SizeRestrictions_BODY",
        "SizeRestrictions_URIPATH",
        "EC2MetaDataSSRF_BODY",
        "EC2MetaDataSSRF_COOKIE",
        "EC2MetaDataSSRF_URIPATH",
        "EC2MetaDataSSRF_QUERYARGUMENTS",
        "GenericLFI_QUERYARGUMENTS",
        "GenericLFI_URIPATH",
        "GenericLFI_BODY",
        "RestrictedExtensions_URIPATH",
        "RestrictedExtensions_QUERYARGUMENTS",
        "GenericRFI_QUERYARGUMENTS",
        "GenericRFI_BODY",
        "GenericRFI_URIPATH",
        "CrossSiteScripting_COOKIE",
        "CrossSiteScripting_QUERYARGUMENTS",
        "CrossSiteScripting_BODY",
        "CrossSiteScripting_URIPATH",
    ),
    counting_on_open_hosts={
        "SizeRestrictions_BODY": f"{ANY_FILE} A batch of 100 metrics has 12 kB already.",
        "SizeRestrictions_QUERYSTRING": "The page that compares runs names a hundred of them, 40 "
        "bytes each, in one query.",
        "SizeRestrictions_URIPATH": "Escaped, a path of an artifact is up to three times as long "
        "as the 1024 bytes that S3 takes.",
        "EC2MetaDataSSRF_BODY": ANY_TEXT,
        "GenericLFI_BODY": ANY_TEXT,
        "GenericRFI_BODY": ANY_TEXT,
        "CrossSiteScripting_BODY": f"{ANY_FILE} A report is HTML with scripts.",
        "RestrictedExtensions_URIPATH": ANY_NAME,
        "RestrictedExtensions_QUERYARGUMENTS": ANY_NAME,
        "GenericRFI_QUERYARGUMENTS": EXPRESSION,
        "CrossSiteScripting_QUERYARGUMENTS": EXPRESSION,
    },
)
SQL: Final = ManagedGroup(
    name="AWSManagedRulesSQLiRuleSet",
    page=f"{PAGES}use-case.html",
    priority=50,
    capacity=200,
    labels="awswaf:managed:aws:sql-database:",
    rules=(
        "SQLi_QUERYARGUMENTS",
        "SQLiExtendedPatterns_QUERYARGUMENTS",
        "SQLi_BODY",
        "SQLiExtendedPatterns_BODY",
        "SQLi_COOKIE",
    ),
    counting_on_open_hosts={
        "SQLi_QUERYARGUMENTS": EXPRESSION,
        "SQLiExtendedPatterns_QUERYARGUMENTS": EXPRESSION,
        "SQLi_BODY": EXPRESSION,
        "SQLiExtendedPatterns_BODY": EXPRESSION,
    },
)

GROUPS: Final = (REPUTATION, ANONYMOUS, KNOWN_BAD, COMMON, SQL)
"""In the order in which they are asked."""
