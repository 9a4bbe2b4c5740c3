"""``hokusai infra preview``: record, judge, price, print."""

import atexit
import contextlib
import gc
import json
import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hokusai_infra.preview.against import AgainstError, Former
from hokusai_infra.preview.cost import estimate
from hokusai_infra.preview.rates import RateError, Rates
from hokusai_infra.preview.report import VERSION, Comparison, Report, as_data
from hokusai_infra.preview.text import Paper, rendered
from hokusai_infra.preview.usage import Usage, UsageError
from hokusai_infra.recorder import record_any
from hokusai_infra.recorder.config import StackFiles
from hokusai_infra.recorder.graph import Graph

FAILED: Final = 1
"""Exit code when a rule that must hold does not, something has no price, or the replacement or
removal of something protected would be refused."""
MISTAKE: Final = 2
"""Exit code when there is nothing to show; standard error says why."""
STAND_IN_ACCOUNT: Final = "123456789012"


def preview(  # noqa: PLR0913 - the options of the command
    folder: Path,
    stack: str,
    *,
    as_json: bool,
    against: str,
    usage: list[str],
    summary: bool = False,
) -> int:
    """Print what a stack will be; return the exit code."""
    atexit.register(gc.freeze)  # the interpreter would look for cycles for most of a second
    try:
        with _without_garbage_collection():
            report = prepare(folder, stack, against=against, usage=usage)
    except PreviewError as error:
        if as_json:
            sys.stdout.write(json.dumps({"version": VERSION, "error": str(error)}, indent=1) + "\n")
        else:
            sys.stderr.writelines(f"error: {line}\n" for line in str(error).splitlines())
        return MISTAKE
    with contextlib.suppress(BrokenPipeError):
        if as_json:
            sys.stdout.write(json.dumps(as_data(report), indent=1) + "\n")
        else:
            paper = Paper(
                width=shutil.get_terminal_size((100, 24)).columns,
                colours=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
                tree=not summary,
            )
            sys.stdout.write("\n".join(rendered(report, paper)) + "\n")
        sys.stdout.flush()
    return FAILED if report.failed else 0


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Save the time of looking for cycles among what Pulumi's classes leave, in one short run."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class PreviewError(Exception):
    """There is nothing to show; says why, and what to do."""


def prepare(
    folder: Path, stack: str, *, against: str = "", usage: list[str] | None = None
) -> Report:
    """Record a stack, and another commit of it beside."""
    evaluate = _rules()
    _checked(folder, stack)
    try:
        files = StackFiles.load(folder, stack, {})
        region = _region(files, stack)
    except (OSError, ValueError, TypeError, RateError) as error:
        raise PreviewError(_sentence(error)) from error
    place = (_account(files), region)
    with contextlib.ExitStack() as running:
        former = None
        if against:
            try:
                former = running.enter_context(Former(folder, against, stack, place))
            except AgainstError as error:
                raise PreviewError(str(error)) from error
        graph = _recorded(folder, stack, place)
        try:
            assumed = Usage.read(graph.config, usage or [], {e.name for e in graph.resources})
        except UsageError as error:
            raise PreviewError(str(error)) from error
        now = estimate(graph, region, assumed)
        try:
            assumed.check_applied({each.resource.name for each in now.unpriced})
        except UsageError as error:
            raise PreviewError(str(error)) from error
        findings = evaluate(graph)
        comparison = None
        if former is not None:
            try:
                before = former.graph()
            except AgainstError as error:
                raise PreviewError(str(error)) from error
            from hokusai_infra.preview.difference import (  # noqa: PLC0415 - needs the extra
                differences,
            )

            comparison = Comparison(
                rev=against,
                changes=differences(before, graph),
                before=estimate(before, region, assumed),
            )
    return Report(graph=graph, estimate=now, findings=findings, comparison=comparison)


def _checked(folder: Path, stack: str) -> None:
    if "/" in stack or os.sep in stack:
        raise PreviewError(
            f"{stack!r} is no stack's name: give the stack first and then the folder, as "
            f"hokusai infra preview STACK {stack}"
        )
    if not (folder / "Pulumi.yaml").is_file():
        raise PreviewError(
            f"{folder} has no Pulumi.yaml: give the folder of a Pulumi program after the stack"
        )


def _rules() -> Any:  # noqa: ANN401 - its type is that of an extra, which may not be there
    try:
        from hokusai_infra.policy import evaluate  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pulumi_policy":
            raise
        raise PreviewError(
            "the policy rules need pulumi-policy: install hokusai-infra[preview]"
        ) from error
    return evaluate


def _region(files: StackFiles, stack: str) -> str:
    region = files.config.get("aws:region", "")
    if not region:
        raise RateError(f"Pulumi.{stack}.yaml lacks aws:region: prices are those of a region")
    return Rates.of_region(region).region


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _account(files: StackFiles) -> str:
    allowed = json.loads(files.config.get("aws:allowedAccountIds", "[]"))
    return str(allowed[0]) if isinstance(allowed, list) and allowed else STAND_IN_ACCOUNT


def _recorded(folder: Path, stack: str, place: tuple[str, str]) -> Graph:
    try:
        return record_any(folder, stack, *place)
    except Exception as error:
        # Only a program that has loaded the module can have raised its error.
        sentences = sys.modules.get("hokusai_infra.stack.sentences")
        if sentences is not None and isinstance(error, sentences.StackFileError):
            raise PreviewError(str(error)) from error
        raise PreviewError(
            f"the program does not run as stack {stack!r}: "
            f"{_where(error, folder)}{type(error).__name__}: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    return error.msg if isinstance(error, SyntaxError) else str(error)


def _where(error: Exception, folder: Path) -> str:
    """Name the line of the program that led to an error."""
    here = folder.resolve()
    if isinstance(error, SyntaxError) and error.filename:
        file = Path(error.filename).resolve()
        name = file.relative_to(here) if file.is_relative_to(here) else file
        return f"{name}:{error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if Path(each.filename).resolve().parent == here]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}: " if own else ""
