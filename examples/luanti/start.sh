#!/bin/sh
# What the fleet launches: start.sh PORT DATABASE
#
# The world's folder says only where the world is: in the database. A connection that goes dead is
# noticed within seconds, and the server then ends and is started again.
set -eu
world=$(mktemp -d)
connection="host=$2 user=luanti password=luanti dbname=world connect_timeout=3 keepalives_idle=2 keepalives_interval=1 keepalives_count=3 tcp_user_timeout=4000"
cat > "$world/world.mt" <<END
gameid = minetest_game
world_name = world
backend = postgresql
player_backend = postgresql
auth_backend = postgresql
pgsql_connection = $connection
pgsql_player_connection = $connection
pgsql_auth_connection = $connection
END
cp -r /local/game/worldmods "$world"
echo "server_announce = false" > "$world/minetest.conf"
echo "server_map_save_interval = 1" >> "$world/minetest.conf"

export LD_LIBRARY_PATH=/local/game/lib
cd /local/game
exec bin/minetestserver --config "$world/minetest.conf" --world "$world" --port "$1"
