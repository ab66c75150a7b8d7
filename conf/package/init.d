#!/bin/sh
### BEGIN INIT INFO
# Provides:          corosync
# Required-Start:    $network $remote_fs $syslog
# Required-Stop:     $network $remote_fs $syslog
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Cluster engine
# Description:       Totem ring, closed process groups, quorum
### END INIT INFO

# For hosts without systemd. The daemon returns when it serves clients, and keeps its pid in its lock file.
daemon=/usr/sbin/corosync
lockfile=/run/corosync.pid
[ -x "$daemon" ] || exit 0
[ ! -r /etc/default/corosync ] || . /etc/default/corosync
. /lib/lsb/init-functions

runs() { [ -r "$lockfile" ] && pid=$(cat "$lockfile") && [ -n "$pid" ] && lives; }

# What nobody has waited for yet has a name, but no command line.
lives() { [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = corosync ] && grep -qs . "/proc/$pid/cmdline"; }

# A node leaves the ring in order; whatever has not ended then has lost it. The lock file goes before the process does, which has its ports until then.
stop() {
  runs || return 0
  kill -TERM "$pid"
  waited=0
  while lives; do
    [ $waited -lt 60 ] || return 1
    sleep 1
    waited=$((waited + 1))
  done
}

start() {
  runs && return 0
  mkdir -p /run/resource-agents
  # shellcheck disable=SC2086
  "$daemon" $COROSYNC_OPTIONS
}

case "$1" in
  start)
    log_daemon_msg 'Starting cluster engine' corosync
    start
    log_end_msg $?
    ;;
  stop)
    log_daemon_msg 'Stopping cluster engine' corosync
    stop
    log_end_msg $?
    ;;
  restart | force-reload)
    log_daemon_msg 'Restarting cluster engine' corosync
    stop && start
    log_end_msg $?
    ;;
  status)
    runs && echo "corosync runs, pid $pid" && exit 0
    echo 'corosync does not run'
    exit 3
    ;;
  *)
    echo "Usage: $0 {start|stop|restart|force-reload|status}" >&2
    exit 2
    ;;
esac
