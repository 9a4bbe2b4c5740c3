"""``hokusai infra``: previews and the local stack on the command line."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

app = typer.Typer(
    no_args_is_help=True, help="Preview a Pulumi program, and run it and its services locally."
)

Folder = Annotated[Path, typer.Argument(help="Folder that holds Pulumi.yaml.")]
HERE = Path()
BEHIND_DASHES = "hokusai.behind-dashes"
INTERRUPTED = 130
"""What shells say of a command that Ctrl-C has ended."""


@app.command()
def up(
    folder: Folder = HERE,
    stack: Annotated[str, typer.Option(help="Stack file to use: Pulumi.<stack>.yaml.")] = "local",
    tasks: Annotated[
        int, typer.Option(min=1, max=9, envvar="TASKS", help="Tasks of each service.")
    ] = 1,
    record_calls: Annotated[  # noqa: FBT002 - a flag
        bool,
        typer.Option(
            "--record-calls",
            envvar="HOKUSAI_RECORD_CALLS",
            help="Write every AWS API call of the services to .hokusai/local/calls.jsonl.",
        ),
    ] = False,
) -> None:
    """Start everything in the foreground; Ctrl-C stops it.

    Exits with 1 when a step fails, or when the stack of this folder is running already.
    """
    from hokusai_infra.local.output import Output  # noqa: PLC0415 - keeps --help fast

    output = Output()
    output.promise()
    try:
        from hokusai_infra.local.up import up as run  # noqa: PLC0415 - half a second

        code = run(folder, stack, tasks, output, record_calls=record_calls)
    except KeyboardInterrupt:  # later on, the supervisor takes the signal itself
        output.line("\nStopped before anything was started.")
        code = INTERRUPTED
    raise typer.Exit(code)


@app.command()
def preview(  # noqa: PLR0913, PLR0917 - an option for each of them
    stack: Annotated[str, typer.Argument(help="Stack file to use: Pulumi.<stack>.yaml.")],
    folder: Folder = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,  # noqa: FBT002 - a flag
    against: Annotated[
        str, typer.Option(metavar="REV", help="Compare with this commit of the program.")
    ] = "",
    usage: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Change an assumption; for one resource NAME.KEY."),
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Print totals, not the tree.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Show what a stack consists of, what breaks a policy and what it costs, without an account.

    Compares programs, not AWS: nothing is looked up, no credentials are read.
    Exits with 1 when a policy that must hold does not.
    Exits with 1 when something has no price: it is shown as UNPRICED.
    Exits with 1 when --against finds that something protected is replaced or removed.
    Exits with 2 when there is nothing to show.

    docs/reference/preview.md describes the JSON.

    hokusai infra preview staging --summary

    hokusai infra preview prod --against main

    hokusai infra preview prod --usage stored_gb=500 --usage api.extra_tasks=1

    hokusai infra preview prod --json
    """
    from hokusai_infra.preview.command import preview as show  # noqa: PLC0415 - keeps --help fast

    raise typer.Exit(
        show(
            folder,
            stack,
            as_json=as_json,
            against=against,
            usage=usage or [],
            summary=summary,
        )
    )


@app.command()
def down(folder: Folder = HERE) -> None:
    """Stop what `up` has started, and what was left of it; the state is kept."""
    from hokusai_infra.local.commands import down as stop  # noqa: PLC0415 - as above

    raise typer.Exit(stop(folder))


@app.command()
def reset(
    folder: Folder = HERE,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Delete the local state: database, objects, secrets, logs."""
    from hokusai_infra.local.commands import reset as delete  # noqa: PLC0415 - as above

    raise typer.Exit(delete(folder, ask=None if yes else typer.confirm))


@app.command()
def status(folder: Folder = HERE) -> None:
    """Show parts, tasks, their health, and the URLs; exits with 1 when nothing runs."""
    from hokusai_infra.local.commands import status as show  # noqa: PLC0415 - as above

    raise typer.Exit(show(folder))


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="A service or part; all when left out.")] = "",
    folder: Folder = HERE,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,  # noqa: FBT002 - a flag
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="Last lines to begin with.")
    ] = 50,
) -> None:
    """Print log lines, one JSON object each, in the order of their time."""
    from hokusai_infra.local.commands import logs as show  # noqa: PLC0415 - as above

    raise typer.Exit(show(folder, service, lines, follow=follow))


@app.command()
def init(  # noqa: PLR0913 - an option for each question
    stack: Annotated[str, typer.Argument(help="Name of the new stack.")],
    folder: Folder = HERE,
    *,
    environment: Annotated[str | None, typer.Option(help="staging or prod.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Tells it from another stack of its kind; part of all names.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="AWS account, 12 digits.")] = None,
    region: Annotated[str | None, typer.Option(help="AWS region.")] = None,
    domain: Annotated[
        str | None, typer.Option(help="The services get api.<domain> and mlflow.<domain>.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="Route 53 zone of the domain, or elsewhere.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="Image of the services, by digest.")] = None,
    cidr: Annotated[str | None, typer.Option(help="Private range of its network.")] = None,
    database_class: Annotated[str | None, typer.Option(help="As db.t4g.small.")] = None,
    storage_gb: Annotated[str | None, typer.Option(help="GiB of the database's disk.")] = None,
    night: Annotated[
        str | None, typer.Option(help="yes stops it at night and at weekends.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing; take what is usual.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write Pulumi.STACK.yaml: ask for what is not stated, check it, run the program with it once.

    Looks nothing up and needs no account. Exits with 1, and leaves the folder as it was, when an
    answer cannot be deployed.

    hokusai infra init staging

    hokusai infra init prod --account 444455556666 --domain ml.example.com --zone Z0123456789ABC -y

    hokusai infra init staging-b --label b --account 111122223333 --domain b.ml.example.com --yes
    """
    from hokusai_infra.init.command import init as write  # noqa: PLC0415 - keeps --help fast

    stated = {
        "environment": environment,
        "label": label,
        "account": account,
        "region": region,
        "domain": domain,
        "zone": zone,
        "image": image,
        "cidr": cidr,
        "database_class": database_class,
        "storage_gb": storage_gb,
        "night": night,
    }

    def ask(text: str, default: str | None) -> str:
        # Without a default, typer would ask again on an empty line and not say why.
        return str(typer.prompt(text, default=default or "", show_default=bool(default)))

    given = {name: value for name, value in stated.items() if value is not None}
    raise typer.Exit(write(folder, stack, given, force=force, ask=None if yes else ask))


@app.command()
def calls(folder: Folder = HERE) -> None:
    """Show what each role has asked AWS for, and which of its permissions nobody used.

    Reads what `up --record-calls` has written; exits with 1 when a call was not allowed.
    """
    from hokusai_infra.local.commands import calls as show  # noqa: PLC0415 - as above

    raise typer.Exit(show(folder))


@app.command()
def setup(folder: Folder = HERE) -> None:
    """Run the setup task of the running stack again, and keep what it prints.

    For a first key that was revoked or has expired: the new one takes its place.
    """
    from hokusai_infra.local.commands import setup as again  # noqa: PLC0415 - as above

    raise typer.Exit(again(folder))


class WithCommand(TyperCommand):
    """A command line whose part behind ``--`` belongs to somebody else."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - the copy of click inside typer has no public name
        """Put what stands behind ``--`` aside."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[BEHIND_DASHES], args = args[at + 1 :], args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 - as above
        """Show it in the usage."""
        return [*super().collect_usage_pieces(ctx), "-- COMMAND…"]


@app.command(cls=WithCommand)
def run(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="Service or task definition family.")],
    folder: Folder = HERE,
) -> None:
    """Run a one-off task of a service in the running stack.

    COMMAND replaces the container's command and follows its entry point, as with
    RunTask on ECS. Where that is `python -m`, it is a module with its arguments:

    hokusai infra run api -- app.admin first-key --help

    Prints what it prints, and exits with its code.
    """
    from hokusai_infra.local.commands import run as once  # noqa: PLC0415 - as above

    raise typer.Exit(once(folder, service, context.meta.get(BEHIND_DASHES, [])))
