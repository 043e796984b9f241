#!/usr/bin/env bash
# .railway/railway.ts: its types, against the package that Railway publishes, and the graph that it describes.
# Takes npm and a reachable registry, so only `scripts/test --all` runs it. Never speaks to Railway.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/lib/install.sh
. scripts/lib/install.sh
# shellcheck source=scripts/lib/checks.sh
. scripts/lib/checks.sh

if [ "${SCHEMAGATE_TEST_ALL:-0}" != 1 ]; then skip_subject ".railway/railway.ts" "takes packages of npm; scripts/test --all checks it"; fi
if ! need_npm; then skip_subject ".railway/railway.ts" "no npm"; fi

# Kept, and installed anew only when the lock file has changed.
folder=$(target_folder)/railway
mkdir -p "$folder"
rm -rf "$folder/build"
lock=$folder/package-lock.json
if ! cmp -s .railway/package-lock.json "$lock" || [ ! -d "$folder/node_modules" ]; then
    cp .railway/package.json .railway/package-lock.json "$folder"
    # By the lock file, which holds a checksum of every package; none of them gets to run a script.
    if ! (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error); then
        rm -f "$lock"
        complain "the packages of .railway/package-lock.json cannot be installed"
        exit 1
    fi
fi
cp .railway/railway.ts .railway/tsconfig.json "$folder"
(cd "$folder" && node node_modules/typescript/bin/tsc --project .)
say "ok      the types"
node scripts/lib/railway-graph.mjs "$folder"
