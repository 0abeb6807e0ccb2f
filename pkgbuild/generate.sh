#!/bin/sh
# Make source files, or take them as they were made the last time from the same files by the same script; part of every `go`
# build whose recipe has `generate`. Arguments: the script, then every file that it makes, below the working folder.
set -eu
script=$1
shift
kept=
if [ -n "${KUBEDEB_GOCACHE:-}" ]; then
	key=$({
		cat "$script"
		printf '%s\n' "$@"
		find . -type l -printf '%p -> %l\n' | LC_ALL=C sort
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
	} | sha256sum | cut -c 1-64)
	kept=$KUBEDEB_GOCACHE/generated/$key.tar
	if [ -f "$kept" ]; then
		echo "generated before from the same files: $*"
		exec tar --extract --file "$kept"
	fi
fi
SCRATCH=$(mktemp -d)
export SCRATCH
trap 'rm -rf "$SCRATCH"' EXIT
PATH=${GO%/*}:$PATH sh -eu "$script"
for made; do
	[ -f "$made" ] || { echo "$script did not make $made" >&2; exit 1; }
done
if [ -n "$kept" ]; then
	rm -rf "${kept%/*}"
	mkdir "${kept%/*}"
	tar --create --file "$kept" -- "$@"
fi
