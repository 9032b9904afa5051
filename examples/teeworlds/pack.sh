#!/bin/sh
# Packs Debian's teeworlds-server as a build: examples/teeworlds/pack.sh FOLDER
set -eu
here=$(dirname "$0")
. "$here/../packages.sh"

build=$1
mkdir -p "$build"
unpacked=$(mktemp -d)
trap 'rm -r "$unpacked"' EXIT
unpack "$unpacked" teeworlds-server teeworlds-data

cp "$unpacked/usr/games/teeworlds-server" "$build/teeworlds-server"
mkdir -p "$build/data"
cp -r "$unpacked/usr/share/games/teeworlds/data/maps" "$build/data/maps"
libraries "$build/lib" "$unpacked" "$build/teeworlds-server"
cp "$here/start.sh" "$here/storage.cfg" "$build"
chmod 755 "$build/start.sh" "$build/teeworlds-server"
