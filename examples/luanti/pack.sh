#!/bin/sh
# Packs Debian's minetest-server (Luanti) as a build: examples/luanti/pack.sh FOLDER
set -eu
here=$(dirname "$0")
. "$here/../packages.sh"

build=$1
mkdir -p "$build"
unpacked=$(mktemp -d)
trap 'rm -r "$unpacked"' EXIT
unpack "$unpacked" minetest-server minetest-data libjsoncpp25 libluajit2-5.1-2 \
    libluajit-5.1-common libleveldb1d libsnappy1v5 libspatialindex6 libcurl3-gnutls libpq5 libgmp10

# The server itself: the one in /usr/games is a script that forces paths of Debian's upon it. It looks
# for its files beside the folder that it is in.
mkdir -p "$build/bin"
cp "$unpacked/usr/lib/minetest/minetestserver" "$build/bin/minetestserver"
for part in builtin games/minetest_game; do
    mkdir -p "$build/$(dirname $part)"
    cp -r "$unpacked/usr/share/games/minetest/$part" "$build/$part"
done
# Links that lead out of the folder, to Debian's fonts and documentation.
find "$build" -type l -delete
libraries "$build/lib" "$unpacked" "$build/bin/minetestserver"
cp -r "$here/start.sh" "$here/worldmods" "$build"
chmod 755 "$build/start.sh" "$build/bin/minetestserver"
