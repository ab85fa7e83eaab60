# chroot.sh - a minimal Debian in a folder, to try things on a clean machine. Sourced, after setup.sh;
# needs root.
#
#   chroot_make DIR SUITE   puts it there; DIR has to be new or empty
#   chroot_run COMMAND      runs a command in /root/libcae of the last one made, with next to no
#                           environment. Everything that is mounted is mounted in a namespace of its
#                           own and goes with it, whatever happens.
#
# shellcheck shell=sh

chroot_needs()
{
    [ "$(id -u)" = 0 ] || die 'needs root'
    for tool in debootstrap unshare git apt-config; do
        command -v $tool >/dev/null || die "please install $tool"
    done
}

# Packages come from where this machine gets its own.
chroot_make()
{
    chroot_dir=$(cd "$1" && pwd)
    [ -z "$(ls -A "$chroot_dir")" ] || die "$1 is not empty"
    chmod 755 "$chroot_dir"             # it becomes / for every user in there
    # shellcheck disable=SC2016         # a format for apt-get
    mirror=$(apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' |
        head -n 1)
    eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
    export http_proxy="${http_proxy-}" https_proxy="${https_proxy-}" no_proxy="${no_proxy-}"

    echo "debootstrap $2"
    quietly unshare --mount debootstrap --variant=minbase "$2" "$chroot_dir" "$mirror"
    rm -rf "$chroot_dir/var/lib/apt/lists"/*
    cp -L /etc/resolv.conf "$chroot_dir/etc"
    apt-config dump | grep '^Acquire::' >"$chroot_dir/etc/apt/apt.conf.d/99host"
    certificates=
    if [ -f /etc/ssl/certs/ca-certificates.crt ]; then      # of a proxy, perhaps
        certificates=/etc/host.crt
        cp -L /etc/ssl/certs/ca-certificates.crt "$chroot_dir$certificates"
        echo "Acquire::https::CAInfo \"$certificates\";" >>"$chroot_dir/etc/apt/apt.conf.d/99host"
    fi
}

chroot_run()
{
    unshare --mount --pid --fork --kill-child --mount-proc="$chroot_dir/proc" \
        chroot "$chroot_dir" /usr/bin/env -i HOME=/root TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        http_proxy="$http_proxy" https_proxy="$https_proxy" no_proxy="$no_proxy" \
        ${certificates:+PIP_CERT=$certificates SSL_CERT_FILE=$certificates \
            NODE_EXTRA_CA_CERTS=$certificates} \
        ${OPENBLAS_CORETYPE:+OPENBLAS_CORETYPE="$OPENBLAS_CORETYPE"} \
        sh -c "cd /root/libcae && $1" </dev/null
}
