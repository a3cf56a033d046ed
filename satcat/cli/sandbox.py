"""`satcat sandbox`: the pretend source."""

from __future__ import annotations

import threading

import click

from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.errors import SatcatError


@satcat_command(
    example="""
    satcat sandbox --port 8765
    satcat sandbox --products 50 --size 20000000 --rate 500000
    """
)
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65_535), default=0, help="0 takes any free one."
)
@click.option(
    "--products",
    metavar="N",
    type=click.IntRange(0),
    default=2000,
    show_default=True,
    help="How many products it lists.",
)
@click.option(
    "--size",
    metavar="BYTES",
    type=click.IntRange(6_000, 10**9),
    help="Size of every product; each is hashed when it is first listed.  [default: 0.3 to 1.5 MB]",
)
@click.option(
    "--rate",
    metavar="BYTES/S",
    type=click.IntRange(1),
    default=1_000_000,
    show_default=True,
    help="How fast each download is.",
)
@click.pass_obj  # fmt: skip
def command(settings: Settings, *, port: int, products: int, size: int | None, rate: int) -> None:
    """Run the pretend source, for trying things out.

    It is a small CDSE on this machine alone, with made-up Sentinel products round tile 30TWM of 2024: catalogue, tokens and
    downloads. Prints the lines that make satcat use it, for another shell; runs until Ctrl-C. What is done in it is
    forgotten when it ends.
    """
    from satcat import demo

    try:
        sandbox = demo.sandbox(products, port, size=size, rate=rate).start()
    except OSError as error:
        raise SatcatError(f"--port {port} cannot be used: {error.strerror}") from error
    try:
        for name, value in sandbox.environment.items():
            click.echo(f"export {name}={value}")
        settings.say(
            f"{len(sandbox.catalogue.products):,} products at {sandbox.url}; Ctrl-C ends it"
        )
        threading.Event().wait()
    except KeyboardInterrupt:
        settings.say("")
    finally:
        sandbox.stop()
