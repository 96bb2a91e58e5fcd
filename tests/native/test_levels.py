"""The instruction level: what chooses it, and a proof that the baseline path executes no wide instruction."""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from nearfield import native

SOURCES = Path(__file__).parents[2] / "src" / "native"
REPORT = "from nearfield import native; print(native.simd_level())"


def in_child(script, **environment):
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, env=os.environ | environment
    )


@pytest.mark.parametrize("name", ["scalar", "avx2", "avx512"])
def test_the_environment_forces_a_level(name):
    done = in_child(REPORT, NEARFIELD_SIMD=name)
    if name in native.simd_levels():
        assert done.stdout.strip() == name, done.stderr
    else:
        assert done.returncode and f"this CPU has no '{name}'" in done.stderr


def test_an_empty_setting_means_the_widest():
    assert in_child(REPORT, NEARFIELD_SIMD="").stdout.strip() == native.simd_levels()[-1]


@pytest.mark.parametrize("name", ["AVX2", "sse", "avx512 ", "1"])
def test_an_unknown_level_is_a_clear_error(name):
    done = in_child(REPORT, NEARFIELD_SIMD=name)
    assert done.returncode == 1
    assert f"expected 'scalar', 'avx2' or 'avx512', got '{name}'" in done.stderr.splitlines()[-1]


def test_a_level_can_be_set_and_a_wrong_one_changes_nothing():
    before = native.simd_level()
    try:
        for name in native.simd_levels():
            native.set_simd_level(name)
            assert native.simd_level() == name
        with pytest.raises(ValueError, match="expected 'scalar', 'avx2' or 'avx512', got 'neon'"):
            native.set_simd_level("neon")
        assert native.simd_level() == native.simd_levels()[-1]
    finally:
        native.set_simd_level(before)


def test_levels_differ_in_speed_alone_for_codes():
    script = """
import hashlib, numpy as np
from nearfield.index import Graph
rows = np.random.default_rng(0).normal(size=(400, 40)).astype(np.float32)
index = Graph("l2").build(rows)
found = index.search(rows[:20] + 0.1, 5)
print(index.digest(), hashlib.sha256(found.distances.tobytes() + found.rows.tobytes()).hexdigest())
"""
    outputs = {in_child(script, NEARFIELD_SIMD=name).stdout for name in native.simd_levels()}
    assert len(outputs) == 1 and len(outputs.pop().split()) == 2


# -- what the object files hold ----------------------------------------------------------------------------------------

CMAKE = (SOURCES / "CMakeLists.txt").read_text() if SOURCES.is_dir() else ""
FILES = re.findall(r"\w+\.cpp", CMAKE[CMAKE.find("nanobind_add_module") : CMAKE.find("target_compile")])
WIDE = {name: flags.split(";") for name, flags in re.findall(r'(\w+\.cpp) PROPERTIES\s+COMPILE_OPTIONS "(.*?)"', CMAKE)}
# Every AVX mnemonic begins with v; four instructions of the baseline do too.
WIDE_INSTRUCTION = re.compile(r"%[yz]mm|%k[0-7]|\tv(?!err\b|errw\b|errr\b|mcall\b)[a-z0-9]+")

needs_compiler = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64")
    or not SOURCES.is_dir()
    or not all(map(shutil.which, ("g++", "objdump", "nm"))),
    reason="needs the C++ sources, g++ and binutils on x86-64",
)


def compiled(name, folder):
    """The object file of one source, with the flags that the build uses."""
    flags = re.search(r"target_compile_options\(_core PRIVATE (.*?)\)", CMAKE)[1].split()
    usual = re.search(r'set\(NEARFIELD_OPTIMIZE "(.*?)"', CMAKE)[1]
    flags = [flag.replace("${NEARFIELD_OPTIMIZE}", usual) for flag in flags]
    flags += ["-std=c++20", "-fPIC", *WIDE.get(name, [])]
    if name.startswith("module"):
        nanobind = pytest.importorskip("nanobind", reason="needs nanobind, the binding generator")
        flags += [f"-I{nanobind.include_dir()}", f"-I{sysconfig.get_path('include')}"]
    output = folder / f"{name}.o"
    subprocess.run(["g++", *flags, "-c", SOURCES / name, "-o", output], check=True)
    return output


def disassembled(path):
    return subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True).stdout


@needs_compiler
def test_the_build_names_the_wide_files():
    assert set(WIDE) == {"kernels_avx2.cpp", "kernels_avx512.cpp"} < set(FILES)
    assert set(FILES) == {path.name for path in SOURCES.glob("*.cpp")}


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(FILES) - set(WIDE)))
def test_the_baseline_holds_no_wide_instruction(name, tmp_path):
    listing = disassembled(compiled(name, tmp_path))
    assert listing.count("\n") > 20
    found = WIDE_INSTRUCTION.search(listing)
    assert found is None, listing[found.start() - 200 : found.end() + 50]


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(WIDE))
def test_wide_files_give_nothing_to_others_but_their_table(name, tmp_path):
    # A weak symbol here, of an inline function or a template, could be the copy the linker keeps for the baseline;
    # a static initialiser would run on every CPU.
    path = compiled(name, tmp_path)
    assert WIDE_INSTRUCTION.search(disassembled(path)), "the proof could not fail"
    symbols = subprocess.run(["nm", "-C", "--defined-only", path], capture_output=True, text=True).stdout.splitlines()
    shared = [line.split(maxsplit=2) for line in symbols if line.split(maxsplit=2)[1] not in "tdrbn"]
    level = name.removeprefix("kernels_").removesuffix(".cpp")
    assert [(kind, symbol) for _, kind, symbol in shared] == [("T", f"nearfield::{level}_kernels()")]
    sections = subprocess.run(["objdump", "-h", path], capture_output=True, text=True).stdout
    assert ".init_array" not in sections and ".ctors" not in sections
