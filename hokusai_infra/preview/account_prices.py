"""What an account's audit costs: its own total, since every stack of the account shares it."""

from collections.abc import Iterable
from typing import Final

from hokusai_infra.preview.line import Bill, Line, PriceRule, UnpricedError, stated


def _trail(bill: Bill) -> Iterable[Line]:
    """Price object events; the first copy of management events is free in every account."""
    trail = bill.resource
    selectors = [
        *(trail.inputs.get("eventSelectors") or []),
        *(trail.inputs.get("advancedEventSelectors") or []),
    ]
    if any(_has_data(each) for each in selectors):
        yield bill.used("object events", "cloudtrail/data-events", "data_events_100k")


def _has_data(selector: dict[str, object]) -> bool:
    return bool(selector.get("dataResources")) or "Data" in str(selector.get("fieldSelectors", ""))


def _detector(bill: Bill) -> Iterable[Line]:
    yield bill.used(
        "calls that are analysed", "guardduty/cloudtrail-management", "api_calls_millions"
    )
    yield bill.used("flow and DNS logs that are analysed", "guardduty/flow-dns", "audit_logs_gb")


def _detector_feature(bill: Bill) -> Iterable[Line]:
    if bill.resource.inputs.get("status") != "ENABLED":
        return
    feature = str(stated(bill.resource, "name"))
    if feature != "S3_DATA_EVENTS":
        raise UnpricedError(f"GuardDuty's {feature}")
    yield bill.used(
        "object events that are analysed", "guardduty/s3-data-events", "object_events_millions"
    )


def _analyzer(bill: Bill) -> Iterable[Line]:
    """Pass what looks for access from outside, which is free."""
    kind = str(bill.resource.inputs.get("type", "ACCOUNT"))
    if kind not in ("ACCOUNT", "ORGANIZATION"):
        raise UnpricedError(f"an analyzer of type {kind}")
    return ()


def _security_hub(bill: Bill) -> Iterable[Line]:
    yield bill.used("checks", "securityhub/check", "security_checks_thousands")


def _recorder(bill: Bill) -> Iterable[Line]:
    yield bill.used("recorded changes", "config/item-continuous", "config_changes_thousands")


def _config_rule(bill: Bill) -> Iterable[Line]:
    yield bill.used("evaluations", "config/rule-evaluation", "config_evaluations_thousands")


def _subscription(bill: Bill) -> Iterable[Line]:
    subscription = bill.resource
    if subscription.inputs.get("protocol") in ("email", "email-json"):
        yield bill.used("e-mails", "sns/email", "emails_thousands")


PRICES: Final[dict[str, PriceRule]] = {
    "aws:accessanalyzer/analyzer:Analyzer": _analyzer,
    "aws:cfg/recorder:Recorder": _recorder,
    "aws:cfg/rule:Rule": _config_rule,
    "aws:cloudtrail/trail:Trail": _trail,
    "aws:guardduty/detector:Detector": _detector,
    "aws:guardduty/detectorFeature:DetectorFeature": _detector_feature,
    "aws:securityhub/account:Account": _security_hub,
    "aws:sns/topicSubscription:TopicSubscription": _subscription,
}
