"""Nearfield for ann-benchmarks; the class is nearfield.integrate.AnnBenchmarks."""

from nearfield.integrate import AnnBenchmarks as Nearfield

__all__ = ["Nearfield"]
