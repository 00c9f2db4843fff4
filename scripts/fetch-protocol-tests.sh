#!/usr/bin/env bash
# Fetches the protocol tests that AWS publishes into .deps/protocol-tests, for
# internal/wire/wiretest: Smithy's (as one JSON document, made by smithy-cli)
# and botocore's. Versions and checksums are pinned; a second run does nothing.
# Needs curl, java (17 or later) and python3 with pip.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=.deps/protocol-tests
mkdir -p "$dir"

central=https://repo1.maven.org/maven2/software/amazon/smithy

# artifact version sha256; the first group is the tool's class path, the second
# what it reads.
tool='
smithy-cli 1.73.0 554c69e782fe2c83e490f1f45ea24061f20f18fc2aa717c6fcf693ee93aa8da5
smithy-model 1.73.0 816e2cbbf8a62895d484e481e1d7beb1e4e929dec0cfbdda8c160d69402f750b
smithy-build 1.73.0 1c74e9f6c0e0b79a1d5c169351775f266a43bea9698bd70906feff8080070d52
smithy-diff 1.73.0 e57962bf41808b68793a277829123485adc73765dd3164c7cd8e94caa4abd1e3
smithy-syntax 1.73.0 edd5c79108be0ae557990ec54868a54dc2784875c7dcfd990b500473c9bac3d2
smithy-utils 1.73.0 1d89fa0624ebf8e0f3032cc6b8283ee58335d3ee43e1826b24b1e951b3bdf8d2
smithy-jmespath 1.73.0 2abf99938ae88132c976d73880d42d75018ea9c68bab08c9e48d205306a381d6
'
models='
smithy-aws-traits 1.73.0 87b6fb35dbc988b4db42184a84460932cd775d0fa3c94e2b53ddad3cee157ea9
smithy-protocol-traits 1.73.0 bdc10a1eb56eaa6704994211b78778a9a8566d5b540a2c83d5d8d13292639c7f
smithy-protocol-test-traits 1.73.0 be0af3d1c6d05981e6ae4f4d980a156e21d93be8c7d2a5e5eaab57b24d140b5e
smithy-validation-model 1.67.0 ef810d212f2a2d07aaa7ebb0b27f12c839a6a1c2aeca9ba2fd1a3a4e9f816019
smithy-aws-protocol-tests 1.74.1 21dd592e4f6eebccf79c84508b2fb79c0c69de5e10b80f6b286428613ecfa34e
smithy-protocol-tests 1.54.0 739af64851b427e83940aaebd8ee5dd944efd42ae771022b48bf519116902eb0
'
botocore=1.43.11
botocore_sha=d7d479cc2809ec2728f2898521003adfb79bfe6a4615c59dfd222ec52b0cee6b

sha256() { if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1; }

verify() { # FILE SHA256
  [ "$(sha256 "$1")" = "$2" ] || { echo "$1: wrong checksum" >&2; rm -f "$1"; exit 1; }
}

stamp=$(sha256 scripts/fetch-protocol-tests.sh)
[ "$(cat "$dir/stamp" 2>/dev/null)" != "$stamp" ] || exit 0

need() { command -v "$1" >/dev/null 2>&1 || { echo "$1 is missing: it is needed to fetch the protocol tests" >&2; exit 1; }; }
need curl; need java; need python3

jars() { # LIST: fetches, prints the paths
  while read -r name version sha; do
    [ -n "$name" ] || continue
    jar=$dir/$name-$version.jar
    if [ ! -f "$jar" ]; then
      curl -fsSL --retry 3 -o "$jar.part" "$central/$name/$version/$name-$version.jar"
      mv "$jar.part" "$jar"
    fi
    verify "$jar" "$sha"
    printf '%s\n' "$jar"
  done <<<"$1"
}

classpath=$(jars "$tool" | paste -sd: -)
inputs=$(jars "$models")
# shellcheck disable=SC2086 # one argument a path
java -cp "$classpath" software.amazon.smithy.cli.SmithyCli ast --flatten --quiet $inputs >"$dir/smithy.json.part"
mv "$dir/smithy.json.part" "$dir/smithy.json"

sdist=$dir/botocore-$botocore.tar.gz
[ -f "$sdist" ] || python3 -m pip download -q --no-deps --no-binary :all: -d "$dir" "botocore==$botocore"
verify "$sdist" "$botocore_sha"
rm -rf "$dir/botocore"
mkdir "$dir/botocore"
tar -xzf "$sdist" -C "$dir/botocore" --strip-components 4 "botocore-$botocore/tests/unit/protocols"

printf '%s' "$stamp" >"$dir/stamp"
