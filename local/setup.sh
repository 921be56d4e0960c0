#!/usr/bin/env bash
# Makes .venv (Python 3.13, pinned packages) and node_modules (Azurite), each once per change of its lock file.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=$(cat .python-version)
say() { printf 'setup: %s\n' "$*"; }
is_wanted() { [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$wanted" ]; }

if ! is_wanted .venv/bin/python; then
    rm -rf .venv
    for python in "python$wanted" python3 python; do
        if is_wanted "$python"; then
            say "Python $wanted: $(command -v "$python")"
            "$python" -m venv .venv
            break
        fi
    done
    if [ ! -x .venv/bin/python ] && command -v uv >/dev/null; then
        say "Python $wanted: fetched by uv"
        uv venv --quiet --seed --python "$wanted" .venv
    fi
    if [ ! -x .venv/bin/python ]; then
        say "needs Python $wanted (python.org, your system's packages, or pyenv), or uv to fetch it; found neither." >&2
        exit 1
    fi
fi

# A stamp is a copy of the lock file that was installed: a changed lock installs again, an interrupted install too.
if ! cmp --silent requirements-dev.txt .venv/installed.txt; then
    say "installing Python packages"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
    cp requirements-dev.txt .venv/installed.txt
fi
if ! cmp --silent package-lock.json node_modules/.installed.json; then
    say "installing Azurite (the storage emulator)"
    PATH="$PWD/.venv/bin:$PATH" .venv/bin/npm ci --silent --no-audit --no-fund --ignore-scripts
    cp package-lock.json node_modules/.installed.json
fi
