#!/bin/sh
# Assembles init_*.S into the flat code that init.go wraps into an ELF program.
# Debian: apt install binutils binutils-aarch64-linux-gnu binutils-x86-64-linux-gnu
set -eu
cd "$(dirname "$0")"
out=${1:-.}
build() { # name, tool prefix
	"$2as" -o "$out/$1.o" "init_$1.S"
	"$2objcopy" -O binary -j .text "$out/$1.o" "$out/$1.bin"
	rm "$out/$1.o"
}
build amd64 x86_64-linux-gnu-
build arm64 aarch64-linux-gnu-
