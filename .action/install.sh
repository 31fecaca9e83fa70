#!/usr/bin/env bash
# Installs the locked packages of the action into a private directory of the job and says where:
# writes `python` and `site` to $GITHUB_OUTPUT. A directory that is complete is used again.
#
# The workspace may hold a pull request's files, so nothing of it takes part: the installer runs in
# the private directory, with an environment that is made from nothing (see `installer`), by uv
# without configuration files or by pip in an isolated interpreter. Only wheels are installed, so
# no package runs code of its own, and only files whose hashes the lock names.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
lock=$here/requirements.lock

fail() { # MESSAGE: the one line that the run's page shows
    printf '::error title=malagate::%s\n' "$1"
    exit 3
}

# Answers with the interpreter's own path and what decides which wheels fit it.
readonly PROBE='
import platform, sys, sysconfig
if sys.version_info < (3, 11):
    sys.exit(1)
print(sys.executable)
print(sys.version_info[:3], sys.implementation.cache_tag, sysconfig.get_platform(), platform.machine())
'

find_python() { # prints the probe's answer for the first Python that will do
    local candidate
    for candidate in "${MALAGATE_INPUT_PYTHON:-python3}" \
        python3 python3.13 python3.12 python3.11 python3.14 python \
        "${RUNNER_TOOL_CACHE:-/nonexistent}"/Python/3.1[1-9].*/*/bin/python3; do
        if (cd "$private" && "$candidate" -I -c "$PROBE") 2>/dev/null; then
            return
        fi
    done
    return 1
}

# Runs an installer. Of the environment it keeps what names the machine: where programs, temporary
# files, caches, proxies and certificates are, and which index to ask. An index that is not to be
# trusted can refuse a file but not slip one in: each is held against the lock. All else that pip,
# uv and Python read from PIP_*, UV_* and PYTHON* is left out.
installer() {
    local name kept=()
    for name in PATH HOME TMPDIR LANG LC_ALL \
        http_proxy https_proxy no_proxy all_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY \
        SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NETRC XDG_CACHE_HOME \
        PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_NO_INDEX PIP_TRUSTED_HOST PIP_CERT \
        PIP_CLIENT_CERT PIP_PROXY PIP_DEFAULT_TIMEOUT PIP_RETRIES PIP_CACHE_DIR \
        UV_DEFAULT_INDEX UV_INDEX UV_INDEX_URL UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_NO_INDEX \
        UV_OFFLINE UV_INSECURE_HOST UV_NATIVE_TLS UV_SYSTEM_CERTS UV_HTTP_TIMEOUT UV_CACHE_DIR \
        UV_LINK_MODE; do
        if [ -n "${!name-}" ]; then
            kept+=("$name=${!name}")
        fi
    done
    (cd "$private" && exec env -i ${kept[@]+"${kept[@]}"} "$@")
}

install_into() { # DIRECTORY
    local locked=(--require-hashes --no-deps --only-binary :all: --target "$1" -r "$lock")
    if command -v uv >/dev/null 2>&1; then
        installer uv pip install --no-config --quiet --no-progress --no-python-downloads \
            --python "$python" "${locked[@]}"
    elif installer "$python" -I -m pip --version >/dev/null 2>&1; then
        installer "$python" -I -m pip install --quiet --no-compile --no-input --no-user \
            --disable-pip-version-check --no-warn-script-location "${locked[@]}"
    else
        fail "$python has no pip, and uv is not on PATH: add actions/setup-python before malagate"
    fi
}

umask 077
private=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/malagate-XXXXXXXX")
trap 'rm -rf "$private"' EXIT

probed=$(find_python) || fail "no Python 3.11 or newer: the input python is \
${MALAGATE_INPUT_PYTHON:-python3}; add actions/setup-python before malagate, or name one"
python=${probed%%$'\n'*}

# The directory is named after all that decides its contents, and moved there when it is whole.
# Whoever ran code in this job before could have planted it, and could have replaced bash as well:
# a job that runs a change's code and judges it trusts that code (see examples/workflows/one-job).
digest=$({ printf '%s\n' "$probed" && cat "$lock"; } | "$python" -I -c \
    'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest()[:24])')
home=${RUNNER_TEMP:-${TMPDIR:-/tmp}}/malagate-$digest
if [ ! -e "$home/complete" ]; then
    install_into "$private/site" || fail "the packages of requirements.lock could not be installed"
    touch "$private/complete"
    rm -rf "$home"
    # A second job of the same machine may have been faster; then its directory is the same.
    "$python" -I -c 'import os, sys; os.rename(*sys.argv[1:])' "$private" "$home" 2>/dev/null ||
        [ -e "$home/complete" ] || fail "could not write $home"
fi

printf 'python=%s\nsite=%s\n' "$python" "$home/site" >>"$GITHUB_OUTPUT"
