"""Measure again what papers say of their methods, on real data, through the public API."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield evidence``."""
    from ..evidence import add_arguments as add

    add(parser)


def run(arguments: argparse.Namespace) -> int:
    """Hand over to the evidence room."""
    from ..evidence import run as measure

    return measure(arguments)
