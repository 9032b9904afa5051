# For the packing scripts beside: Debian packages without installing them.

# Unpacks packages into a folder.
unpack() { # FOLDER PACKAGE...
    folder=$(realpath "$1")
    shift
    downloads=$(mktemp -d)
    # apt's own user, that it would rather download as, may not write there.
    (cd "$downloads" && apt-get download --quiet=2 -o APT::Sandbox::User=root "$@")
    for package in "$downloads"/*.deb; do
        dpkg-deb --extract "$package" "$folder"
    done
    rm -r "$downloads"
}

# Copies the shared libraries that a program needs into a folder, but for those that every machine
# has: of the C library and the compiler's runtime the running system's must be taken.
libraries() { # FOLDER UNPACKED PROGRAM
    triplet=$(basename "$(dirname "$(find "$2" /usr/lib -name 'libstdc++.so.6' -print -quit)")")
    mkdir -p "$1"
    needed=$(LD_LIBRARY_PATH=$2/usr/lib/$triplet:$2/lib/$triplet ldd "$3")
    if echo "$needed" | grep 'not found' >&2; then
        echo "$3 needs what no package here has" >&2
        return 1
    fi
    echo "$needed" |
        awk '$3 ~ "^/" { print $3 }' |
        grep -vE '/(libc|libm|libdl|librt|libpthread|libresolv|libgcc_s|libstdc\+\+)\.so' |
        xargs --no-run-if-empty cp --dereference --target-directory="$1"
}
