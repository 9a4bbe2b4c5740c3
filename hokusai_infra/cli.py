"""``hokusai infra``: the local stack on the command line."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

app = typer.Typer(no_args_is_help=True, help="Run a Pulumi program and its services locally.")

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
) -> None:
    """Start everything in the foreground; Ctrl-C stops it.

    Exits with 1 when a step fails, or when the stack of this folder is running already.
    """
    from hokusai_infra.local.output import Output  # noqa: PLC0415 - keeps --help fast

    output = Output()
    output.promise()
    try:
        from hokusai_infra.local.up import up as run  # noqa: PLC0415 - half a second

        code = run(folder, stack, tasks, output)
    except KeyboardInterrupt:  # later on, the supervisor takes the signal itself
        output.line("\nStopped before anything was started.")
        code = INTERRUPTED
    raise typer.Exit(code)


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
