#!/usr/bin/env bash
# Makes a small root directory with the Corosync of another Debian suite, for the interoperability tests: packages are
# fetched from the mirror that the system's own apt sources name, checked against Debian's keys, and unpacked beside the
# system. Nothing is installed. The last line of the output is the directory.
#
#   scripts/newer-stock.sh DIRECTORY [SUITE]        suite: trixie unless told
#   RONDO_NEWER_STOCK=DIRECTORY npm test
set -euo pipefail

target=${1:?usage: newer-stock.sh DIRECTORY [SUITE]}
suite=${2:-trixie}
complain() { echo "newer-stock: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || complain 'needs root: the daemon is started by chroot'
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || complain 'needs apt and dpkg'
target=$(realpath -m "$target")
if [ "$(cat "$target/.suite" 2>/dev/null)" = "$suite" ]; then
  echo "$target"
  exit 0
fi
[ ! -e "$target" ] || complain "$target is there already, and not of $suite"

# The mirror: where Debian's main component comes from, but not the security archive, which has suites of other names.
mirror=$(apt-get indextargets --format '$(CREATED_BY)|$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' |
  sed -n 's/^Packages|Debian|Debian|main|//p' | head -n 1)
[ -n "$mirror" ] || complain 'apt knows no mirror of Debian (run apt-get update?)'

work=$(mktemp -d)
root="$target.$$"
trap 'rm -rf "$work" "$root"' EXIT
mkdir -p "$work"/{lists,cache/archives}/partial "$work/parts"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
option=
[ ! -e "$keyring" ] || option="[signed-by=$keyring] "
echo "deb $option$mirror $suite main" >"$work/sources.list"
# An empty list of installed packages: apt then names every dependency down to the C library.
: >"$work/status"
options=(
  -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts="$work/parts"
  -o Dir::Etc::preferencesparts="$work/parts" -o Dir::Etc::preferences=/dev/null
  -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" -o Dir::State::extended_states="$work/extended"
  -o Dir::Cache="$work/cache" -o Dir::Log="$work" -o Acquire::Languages=none -o APT::Sandbox::User=root
  -o APT::Install-Recommends=false -o Acquire::Retries=2
)
apt-get "${options[@]}" update >&2
# xz, bzip2 and the others are needed by libknet's plugins, which load them at run time.
apt-get "${options[@]}" --download-only -y install corosync libnss3 >&2

# The suites since "bookworm" have /usr only; the dynamic loader is looked for in /lib64.
for directory in bin sbin lib lib64; do
  mkdir -p "$root/usr/$directory"
  ln -s "usr/$directory" "$root/$directory"
done
for package in "$work"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
[ -e "$root/var/run" ] || { mkdir -p "$root/var" && ln -s /run "$root/var/run"; }
# What the tests mount something on.
mkdir -p "$root"/{dev,proc,run,tmp,etc/corosync,var/lib/corosync,var/log/corosync}
[ -e "$root/etc/passwd" ] || echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
[ -e "$root/etc/group" ] || echo 'root:x:0:' >"$root/etc/group"
rm -rf "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/locale"

chroot "$root" /usr/sbin/corosync -v >/dev/null || complain "the daemon of $suite does not start here"
for package in "$work"/cache/archives/{corosync,libknet}[_1]*.deb; do
  echo "newer-stock: $suite: $(dpkg-deb -f "$package" Package) $(dpkg-deb -f "$package" Version)" >&2
done
echo "$suite" >"$root/.suite"
mv "$root" "$target"
echo "$target"
