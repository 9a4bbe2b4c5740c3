"""The command ``hokusai``; other distributions add their groups by entry point."""

import sys
from importlib.metadata import entry_points, version
from typing import Annotated

import typer

GROUP = "hokusai.commands"

app = typer.Typer(
    name="hokusai",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Work with a Hokusai platform, in the cloud or on this machine.",
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"hokusai {version('hokusai-client')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def add_groups(to: typer.Typer) -> None:
    """Add what installed distributions bring; one that does not load is named and left out."""
    for entry in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            group = entry.load()
        except ImportError as error:
            sys.stderr.write(f"warning: `hokusai {entry.name}` is left out: {error}\n")
            continue
        to.add_typer(group, name=entry.name)


def main() -> None:
    """Run the command line."""
    try:
        add_groups(app)
        app()
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        sys.exit(130)
