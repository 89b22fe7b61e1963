#!/bin/sh
# Makes .venv ready: `setup.sh run` to use octo-ssh from this checkout, `setup.sh work` also to test and check it.
set -eu

purpose=$1
PYTHON=${PYTHON:-}
wanted='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'

# The first interpreter that is new enough and can make virtual environments; the one in $PYTHON alone if given.
find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if "$name" -c "$wanted" >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    return 1
}

is_debian() { command -v apt-get >/dev/null && [ -e /etc/debian_version ]; }

if ! .venv/bin/python -c "$wanted" >/dev/null 2>&1; then
    python=$(find_python) || python=
    if [ -z "$python$PYTHON" ] && is_debian && [ "$(id -u)" -eq 0 ]; then
        sh tools/apt-install.sh python3-venv
        python=$(find_python) || python=
    fi
    if [ -z "$python" ]; then
        echo "No Python 3.11 or newer with the venv module was found${PYTHON:+ at $PYTHON}." >&2
        if is_debian; then
            echo "Install it:  sudo apt-get install python3 python3-venv" >&2
        else
            echo "Install one (macOS: brew install python), or name it:  make PYTHON=/path/to/python3 ..." >&2
        fi
        exit 1
    fi
    echo "Making .venv with $python"
    "$python" -m venv --clear .venv
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
pip="./.venv/bin/python -m pip -qq --no-color"
echo "Installing what octo-ssh needs into .venv"
case $purpose in
run)
    $pip install --editable .
    ;;
work)
    $pip install --upgrade 'pip>=25.1' # older ones do not know dependency groups
    $pip install --editable . --group dev
    ;;
esac
