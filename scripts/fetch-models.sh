#!/bin/sh
# Fetches the pinned botocore wheel from PyPI and unpacks the AWS service models
# that cmd/awsgen reads into .deps/models/botocore-<version>/data. A second run
# finds them there and does nothing.
#
# The models are AWS's; they are read to generate internal/api and never committed.
set -eu

version=1.43.11
sha256=0108b5604df5a26918936c845e1e761866ee9ea8d1c1f9358ed3c69afdc37436
wheel=botocore-$version-py3-none-any.whl

cd "$(dirname "$0")/.."
root=.deps/models
dir=$root/botocore-$version

# The stamp is written last and names the wheel it came from, so a run that was
# interrupted is not taken for a finished one.
if [ "$(cat "$dir/.sha256" 2>/dev/null || true)" = "$sha256" ]; then
	exit 0
fi

python=${PYTHON:-python3}
command -v "$python" >/dev/null || {
	echo "fetch-models: python3 with pip is needed to fetch $wheel" >&2
	exit 1
}

tmp=$root/.fetch.$$
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$tmp"

echo "fetch-models: fetching botocore $version" >&2
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
	--dest "$tmp" "botocore==$version"

"$python" - "$tmp/$wheel" "$sha256" "$tmp/out" <<'EOF'
import hashlib, sys, zipfile

wheel, want, out = sys.argv[1:]
with open(wheel, "rb") as f:
    got = hashlib.sha256(f.read()).hexdigest()
if got != want:
    sys.exit(f"fetch-models: {wheel} has SHA-256 {got}, want {want}")
with zipfile.ZipFile(wheel) as z:
    for name in z.namelist():
        if name.startswith("botocore/data/") and "/service-2.json" in name:
            z.extract(name, out)
EOF

echo "$sha256" >"$tmp/out/botocore/.sha256"
rm -rf "$dir"
mv "$tmp/out/botocore" "$dir"
