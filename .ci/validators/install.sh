#!/bin/sh
# Installs GitHub's own parser, expression engine and language service beside this file, from the
# lock. Needs Node.js 20 or newer with npm, and does nothing if the lock is installed already.
set -eu
cd "$(dirname "$0")"

installed() {
    cmp -s package-lock.json node_modules/.installed
}

if installed; then
    exit 0
fi

# Made aside and moved when it is whole: test workers may come here at the same time.
aside=$(mktemp -d ./.install-XXXXXX)
trap 'rm -rf "$aside"' EXIT
cp package.json package-lock.json .npmrc "$aside"
(cd "$aside" && npm ci --ignore-scripts --loglevel=error)
cp package-lock.json "$aside/node_modules/.installed"
if ! installed; then
    rm -rf node_modules
    node -e 'require("fs").renameSync(...process.argv.slice(1))' \
        "$aside/node_modules" node_modules || installed
fi
