#!/usr/bin/env bash
# Starts Paddock in front and deploys examples/hello to it, as any client would.
set -euo pipefail
cd "$(dirname "$0")/.."
data=$1 listen=$2
bin/paddock serve --data "$data" --listen "$listen" --show-logs &
paddock=$!
# A terminal sends Ctrl-C to Paddock too: another signal from here would be its
# second, which ends it at once.
trap 'wait "$paddock"; exit' INT
trap 'kill -TERM "$paddock" 2>/dev/null; wait "$paddock"; exit' TERM
if ! AWS_ENDPOINT_URL="http://$listen" go run ./examples/hello/deploy -pid "$paddock"; then
  kill -TERM "$paddock" 2>/dev/null || true
  wait "$paddock" || true
  exit 1
fi
wait "$paddock"
