#!/bin/sh
# What the fleet launches: start.sh PORT NAME
set -eu
cd /local/game
LD_LIBRARY_PATH=/local/game/lib exec ./teeworlds-server \
    "sv_port $1; sv_name $2; sv_map dm1; sv_register 0; sv_skill_level 1"
