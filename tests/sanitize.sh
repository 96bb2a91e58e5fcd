#!/usr/bin/env bash
# The core under sanitisers, in a copy of the package: nothing that is installed changes.
#
#   tests/sanitize.sh address    address and undefined behaviour: the native, index and quantize tests, and hostile files
#   tests/sanitize.sh thread     data races: threads that search while one adds, seals and compacts
#
# Needs gcc with its sanitiser libraries, cmake, and a Python that has what the tests need. PYTHON names it. More
# arguments go to pytest in place of the usual tests.
set -euo pipefail
cd "$(dirname "$0")/.."

mode="${1:-address}"
shift || true
python="${PYTHON:-python3}"
work="${SANITIZE_DIR:-$(mktemp -d)}"
mkdir -p "$work"
case "$mode" in
  address) sanitize="address,undefined" library=libasan.so ;;
  thread) sanitize="thread" library=libtsan.so ;;
  *) echo "expected address or thread, got $mode" >&2; exit 2 ;;
esac

cmake -S src/native -B "$work/$mode" -DPython_EXECUTABLE="$("$python" -c 'import sys; print(sys.executable)')" \
  -DCMAKE_BUILD_TYPE=Debug -DNEARFIELD_OPTIMIZE=-O2 -DNEARFIELD_SANITIZE="$sanitize" >"$work/cmake.log"
cmake --build "$work/$mode" --parallel "${JOBS:-2}" >"$work/build.log"
mkdir -p "$work/$mode-package"
cp -r src/nearfield "$work/$mode-package/"
rm -f "$work/$mode-package"/nearfield/native/_core*.so
cp "$work/$mode"/_core*.so "$work/$mode-package/nearfield/native/"

export PYTHONPATH="$work/$mode-package" OPENBLAS_NUM_THREADS=1 PYTHONMALLOC=malloc
export ASAN_OPTIONS="detect_leaks=0:halt_on_error=1:allocator_may_return_null=1"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
export TSAN_OPTIONS="halt_on_error=0:exitcode=66:suppressions=$PWD/tests/tsan.supp:history_size=4:die_after_fork=0"
export LD_PRELOAD="$(gcc -print-file-name=$library) $(gcc -print-file-name=libstdc++.so.6)"
if [ $# -gt 0 ]; then
  tests=("$@")
elif [ "$mode" = address ]; then
  tests=(tests/native tests/quantize tests/index tests/fuzz/test_indexes.py tests/compat -m "not slow")
else
  tests=(tests/store/test_threads.py tests/native/test_pool.py)
fi
"$python" -m pytest -n 0 -x -s -p no:faulthandler "${tests[@]}"
