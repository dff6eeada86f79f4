#!/bin/sh
# scripts/setup_database.sh CODE : a client's schema, seeds, views and database users, from nothing or brought up to date.
#
# The server is that of CORTEX_DATABASE_URL (environment or .env), SQLite files when it is not set: a password is never
# typed here, so it is in no list of processes. The work is `cortex onboard CODE`; again changes nothing.
set -eu
if [ $# -ne 1 ] || [ -z "$1" ]; then
    echo "Usage: scripts/setup_database.sh CODE     CODE is the client's: tenants/CODE.yaml" >&2
    exit 1
fi
here=$(dirname "$0")/..
if [ -n "${VIRTUAL_ENV:-}" ]; then
    cortex="$VIRTUAL_ENV/bin/cortex"
else
    "$here/scripts/venv" run
    cortex="$here/.venv/bin/cortex"
fi
exec "$cortex" onboard -- "$1"
