#!/bin/sh
# Runs PostgreSQL for the world: examples/luanti/database.sh FOLDER
#
# To be started by `tombolo run`, as root; PostgreSQL itself runs as the user postgres, which
# Debian's package postgresql has made.
set -eu
folder=$1
server=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
as_postgres() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }

if [ ! -d "$folder/data" ]; then
    mkdir -p "$folder"
    chown postgres "$folder"
    as_postgres "$server/initdb" --pgdata "$folder/data" --auth trust --no-sync > "$folder/initdb.log"
    echo "host all all 0.0.0.0/0 scram-sha-256" >> "$folder/data/pg_hba.conf"
    printf "CREATE USER luanti PASSWORD 'luanti';\n\nCREATE DATABASE world OWNER luanti;\n" |
        as_postgres "$server/postgres" --single -j -D "$folder/data" postgres > "$folder/setup.log"
fi
exec setpriv --reuid postgres --regid postgres --init-groups "$server/postgres" -D "$folder/data" \
    -c listen_addresses='*' -c unix_socket_directories="$folder"
