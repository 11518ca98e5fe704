"""The application: what every command shares."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import adsim
from adsim.errors import AdsimError


class Commands(TyperGroup):
    """Turns a user's mistake into one line and exit code 2, an interruption into 130."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except AdsimError as error:
            typer.echo(f"error: {' '.join(str(error).splitlines())}", err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt as interruption:
            typer.echo(str(interruption) or "interrupted", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Commands,
    help="A marketplace for ad auctions and auto-bidding.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"adsim {adsim.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    app(prog_name="adsim")
