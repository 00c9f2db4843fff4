#!/usr/bin/env bash
# Installs what a make target needs, under .deps and by apt-get; a second run is
# quick. Usage: scripts/deps.sh run|lint|test
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
mkdir -p .deps/bin

GOLANGCI=v2.15.0
BOTOCORE=1.43.11
AWSCLI=1.45.11
BOTOCORE_QUERY=1.29.165 # of the days when SQS spoke Query: JSON came with 1.31
BOTO3_QUERY=1.26.165
CELERY=5.7.0
KOMBU=5.7.0
PYCURL=7.49.0
OAS_EXAMPLES=8.2.2
MAVEN_DEPENDENCY=3.8.1

say() { printf '%s\n' "$*" >&2; }

# package COMMAND APT-PACKAGE: the command is there, or apt-get brings it.
package() {
  command -v "$1" >/dev/null 2>&1 && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing $2 (apt-get)"
    [ -e .deps/apt-updated ] || { apt-get -qq update && touch .deps/apt-updated; }
    apt-get -qq install -y --no-install-recommends "$2" >/dev/null
  else
    say "$1 is missing: install it (on Debian and Ubuntu: sudo apt-get install $2; on macOS: brew install ${3:-$2})"
    exit 1
  fi
}

# stamp NAME CONTENT: true when .deps/NAME.stamp already says CONTENT.
stamped() { [ "$(cat ".deps/$1.stamp" 2>/dev/null)" = "$2" ]; }
stamp() { printf '%s' "$2" >".deps/$1.stamp"; }

interpreters() {
  package python3 python3 python
  package node nodejs node
}

lint() {
  if ! { [ -x .deps/bin/golangci-lint ] && stamped golangci "$GOLANGCI"; }; then
    say "building golangci-lint $GOLANGCI"
    GOFLAGS= GOBIN="$root/.deps/bin" go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$GOLANGCI"
    stamp golangci "$GOLANGCI"
  fi
  touch .deps/bin/golangci-lint
}

# python FOLDER WHAT REQUIREMENT…: a virtual environment .deps/FOLDER with these.
python() {
  local folder=$1 what=$2
  shift 2
  stamped "$folder" "$*" && return
  say "installing $what into .deps/$folder"
  python3 -m venv ".deps/$folder" 2>/dev/null || { package pip3 python3-venv; python3 -m venv ".deps/$folder"; }
  ".deps/$folder/bin/pip" install -q "$@"
  stamp "$folder" "$*"
}

clients() {
  python python "boto3 and the AWS CLI" "boto3==$BOTOCORE" "awscli==$AWSCLI"
  python python-query "a boto3 that speaks Query" "boto3==$BOTO3_QUERY" "botocore==$BOTOCORE_QUERY"
  python celery "Celery" "celery==$CELERY" "kombu==$KOMBU" "pycurl==$PYCURL" "boto3==$BOTOCORE"
  package npm npm node
  if ! stamped node "$(cat test/clients/js/package.json)"; then
    say "installing the AWS SDK for JavaScript into .deps/node"
    mkdir -p .deps/node
    cp test/clients/js/package.json .deps/node/
    npm install --silent --no-progress --prefix .deps/node >/dev/null
    stamp node "$(cat test/clients/js/package.json)"
  fi
}

# Kafka's server, for the tests that start one.
kafka() {
  local want
  want=$(cat test/kafka/broker/pom.xml; java -version 2>&1)
  stamped kafka "$want" && return
  package mvn maven maven
  say "installing Apache Kafka into .deps/kafka"
  rm -rf .deps/kafka
  mvn -q -B -f test/kafka/broker/pom.xml "org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY:copy-dependencies" \
    -DincludeScope=runtime -DoutputDirectory="$root/.deps/kafka"
  go run ./test/kafka/broker/archive
  stamp kafka "$want"
}

# OpenAPI documents of others (the OpenAPI Initiative's and ReadMe's, MIT).
openapi_examples() {
  local want="@readme/oas-examples@$OAS_EXAMPLES"
  stamped openapi-examples "$want" && return
  say "installing OpenAPI documents into .deps/openapi-examples"
  mkdir -p .deps/openapi-examples
  npm install --silent --no-progress --no-save --ignore-scripts --prefix .deps/openapi-examples "$want" >/dev/null
  stamp openapi-examples "$want"
}

case "${1:-test}" in
run) interpreters ;;
lint) lint ;;
test)
  interpreters
  package curl curl
  package zip zip
  package java default-jre-headless openjdk
  package javac default-jdk-headless openjdk
  # The stock Velocity that templates are held against.
  [ -e /usr/share/java/velocity.jar ] || ! command -v apt-get >/dev/null 2>&1 || package velocity.jar velocity
  if [ "$(uname -sm)" = "Linux x86_64" ]; then
    # The sandbox's few hundred bytes of assembly are assembled for both
    # architectures, and those for arm64 run under emulation.
    package qemu-aarch64-static qemu-user-static
    package aarch64-linux-gnu-as binutils-aarch64-linux-gnu
    package x86_64-linux-gnu-as binutils
  fi
  if [ "$(uname -s)" = Linux ]; then # they make and push functions' images
    package buildah buildah
    package skopeo skopeo
  fi
  scripts/fetch-models.sh
  scripts/fetch-protocol-tests.sh
  kafka
  clients
  openapi_examples
  lint
  ;;
*)
  say "usage: scripts/deps.sh run|lint|test"
  exit 2
  ;;
esac
