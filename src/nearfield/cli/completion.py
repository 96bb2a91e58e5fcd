"""Print a script with which a shell completes commands, options and their values.

  bash   eval "$(nearfield completion bash)"       in ~/.bashrc
  zsh    eval "$(nearfield completion zsh)"        in ~/.zshrc, behind compinit
  fish   nearfield completion fish > ~/.config/fish/completions/nearfield.fish

The script knows all there is to know: pressing TAB starts no Python. Make it again after an update.
"""

from __future__ import annotations

import argparse
import importlib

from .output import DONE, print_json, say

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield completion``."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")
    parser.add_argument("--json", action="store_true", help="print what can stand where as JSON instead of a script")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from dataclasses import asdict

    from .completing import lines

    found = lines()
    if arguments.json:
        print_json([asdict(line) for line in found])
    else:
        say(importlib.import_module(f".completion_{arguments.shell}", __package__).script(found))
    return DONE
