"""Measure our index beside every installed peer, or the store's own speed, on this machine."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield bench``."""
    from ..bench import add_arguments as add

    add(parser)


def run(arguments: argparse.Namespace) -> int:
    """Hand over to the bench room."""
    from ..bench import run as measure

    return measure(arguments)
