"""What a client needs to know of a stack that is ready, as data and as text."""

import re
from typing import Any

from hokusai_infra.local.assembly import Assembly, LocalFacts
from hokusai_infra.local.output import Output
from hokusai_infra.local.plan import Plan
from hokusai_infra.local.state import Folders
from hokusai_infra.local.wording import command, near


def connection(
    plan: Plan, assembly: Assembly, facts: LocalFacts, setup: dict[str, Any]
) -> dict[str, Any]:
    """Collect the contents of ``connection.json``: plain outputs, end points, what setup said."""
    plain = {
        name: value
        for name, value in plan.graph.outputs.items()
        if isinstance(value, str | int | float)
    }
    outputs = {name: plan.names.resolved(value) for name, value in plain.items()}
    # Clear text is what a first user needs no file for; HTTPS is what the cloud has.
    over_https = {f"https_{name}": plan.https.resolved(value) for name, value in plain.items()}
    outputs |= {
        name: value
        for name, value in over_https.items()
        if value != plain[name.removeprefix("https_")]
    }
    points = {
        "aws_endpoint_url": assembly.control_plane.url,
        "s3_endpoint_url": assembly.object_store_url,
    }
    if plan.https.local:
        points["ca_file"] = str(assembly.certificates.ca_file)
    if facts.database:
        points["database_url"] = assembly.database_url(facts.database)
    return outputs | points | setup


def greet(
    output: Output, plan: Plan, found: dict[str, Any], folders: Folders, refused: str
) -> None:
    """Say that the stack is ready, where it is, and what to copy.

    ``refused`` names a kept value that its service takes no more, and that ``found`` is without.
    """
    logs, file = near(folders.logs), near(folders.connection)
    output.quiet()
    output.line(f"Ready after {output.elapsed():.1f} s.", "bold green")
    output.line()
    if text := plan.graph.config.get(f"{plan.graph.project}:quickstart"):
        blank = {refused: refused.upper()} if refused else {}
        output.line(filled(text, {**found, **blank, "logs": logs}))
    else:
        for host, url in plan.urls.items():
            output.line(f"{url} stands for {host}")
    output.line()
    if refused:
        new = command("setup", folders.program)
        output.line(f"The kept {refused} is valid no more. Make a new one: {new}", "yellow")
        output.line()
    also = ", and how to come over HTTPS" if plan.https.local else ""
    output.line(f"All of this is in {file}{also}; the logs are in {logs}.")
    stop = command("down", folders.program)
    output.line(f"Ctrl-C here, or `{stop}` elsewhere, stops it.")


def filled(template: str, values: dict[str, Any]) -> str:
    """Put known values where ``{name}`` stands; other braces are the text's own."""
    return re.sub(
        r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), template
    ).rstrip()
