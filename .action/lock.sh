#!/usr/bin/env bash
# lock.sh [ARGS…]: writes requirements.lock from requirements.in, for every platform and every
# Python from 3.11 on, each file with its hashes. ARGS go to uv: --upgrade, say. Needs uv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
uv pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
    --output-file requirements.lock "$@" requirements.in
