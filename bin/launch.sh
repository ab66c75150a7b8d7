# Shared by rondod and rondo, which set `root` (the package's directory) and `caller_path` (PATH as it was) and go on to `launch`.
#
# A privileged start decides for itself what it runs: the environment of whoever started it (sudo -E, a shell's leftovers) chooses neither
# the interpreter nor its options, modules, certificates or report files.

# Names that mean something to the daemon, to the command line, or to the service manager. All others are dropped by a privileged start.
is_known_variable() {
  case $1 in
    RONDO_NODE) return 1 ;;
    RONDO_* | COROSYNC_* | STATE_DIRECTORY | LOGS_DIRECTORY | RUNTIME_DIRECTORY) ;;
    NOTIFY_SOCKET | INVOCATION_ID | JOURNAL_STREAM | SYSTEMD_EXEC_PID | WATCHDOG_USEC | WATCHDOG_PID) ;;
    HOME | USER | LOGNAME | SHELL | XDG_STATE_HOME | XDG_RUNTIME_DIR | PATH | PWD) ;;
    LANG | LC_* | TZ | TERM | COLUMNS | LINES | NO_COLOR | FORCE_COLOR) ;;
    *) return 1 ;;
  esac
}

drop_unknown_variables() {
  for variable in $(awk 'BEGIN { for (name in ENVIRON) if (name ~ /^[A-Za-z_][A-Za-z0-9_]*$/) print name }'); do
    is_known_variable "$variable" || unset "$variable"
  done
}

# A file without symbolic links in its path that nobody but root can change or exchange. In a directory with the sticky bit the others
# may make files, but not touch this one.
only_root_can_change() {
  path=$1
  set --
  while [ -n "$path" ]; do
    set -- "$@" "$path"
    path=${path%/*}
  done
  [ -z "$(find "$@" / -maxdepth 0 \( ! -user 0 -o -perm /022 ! -perm -1000 \) 2>&1)" ]
}

# The interpreter of a privileged start: the one in the package, the one that the build ran on, or where packages put it.
find_interpreter() {
  [ ! -r "$root/dist/interpreter" ] || { read -r built_with && read -r built_size built_time built_options; } <"$root/dist/interpreter" || :
  for candidate in "$root/node" "$built_with" /usr/bin/node /usr/local/bin/node /usr/bin/nodejs /opt/node/bin/node; do
    case $candidate in /*) ;; *) continue ;; esac
    node=$(readlink -f -- "$candidate") && [ -x "$node" ] && only_root_can_change "$node" && return
  done
  echo "$program: no Node.js that only root can change: not ${built_with:-the one of the build (dist/interpreter is missing)}," \
    "nor /usr/bin/node, /usr/local/bin/node, /opt/node/bin/node. Install one there, or build again with one" >&2
  exit 1
}

# What root may do beyond its own files is taken from the process before it is one: from all threads, for good, and from what it starts.
# Kept are the capabilities in $keep. Nothing is dropped where setpriv (util-linux) is missing or not allowed to.
drop_capabilities() {
  prefix=
  dropped=
  IFS=,
  for capability in $(LC_ALL=C setpriv --dump 2>/dev/null | sed -n 's/^Capability bounding set: \([a-z0-9_,]*\)$/\1/p'); do
    case " $keep " in *" $capability "*) ;; *) dropped="$dropped,-$capability" ;; esac
  done
  unset IFS
  set -- setpriv --no-new-privs ${dropped:+"--bounding-set=${dropped#,}"}
  ! "$@" true 2>/dev/null || prefix="$*"
}

# A daemon that starts beside busy programs starts first, with the lowest real-time priority: its ring waits for it. A nice value counts within
# its session or control group only. Until clients are served: the daemon ends it itself (src/daemon/start-priority.ts). A nice value or a
# policy that somebody has chosen stays.
start_first() {
  read -r status </proc/self/stat || return 0
  # shellcheck disable=SC2086
  set -- ${status##*) }
  [ "${17}" = 0 ] && [ "${39}" = 0 ] && chrt --rr -p 1 $$ >/dev/null 2>&1 && export RONDO_STARTS_FIRST=yes
}

# launch ENTRY NODE-OPTION... -- ARGUMENT...
launch() {
  prefix=
  built_with= built_size= built_time= built_options=
  entry=$root/dist/src/$1
  shift
  if [ ! -f "$entry" ]; then
    echo "$program: not built yet. Run: (cd '$root' && npm ci --ignore-scripts && npm run build)" >&2
    exit 1
  fi
  if [ "$(id -u)" = 0 ]; then
    find_interpreter
    drop_unknown_variables
    unset RONDO_STARTS_FIRST
    [ "$first" != yes ] || start_first || :
    export PATH
    [ -z "$keep" ] || drop_capabilities
  else
    PATH=$caller_path
    node=${RONDO_NODE:-node}
  fi
  # Node.js opens its debugger on SIGUSR1 until a program has a handler of its own, which it cannot have before it runs. Here that can never
  # happen: no TCP socket can be bound to a multicast address of IPv6. Newer versions can leave it out altogether.
  no_debugger=--inspect-port=[ff02::1]:9229
  if [ "$node" = "$built_with" ] && [ "$(stat -c '%s %Y' -- "$node")" = "$built_size $built_time" ]; then
    no_debugger="$built_options $no_debugger" # asked at the build: asking is a second start of Node.js
  else
    ! "$node" --disable-sigusr1 --version >/dev/null 2>&1 || no_debugger="--disable-sigusr1 $no_debugger"
  fi
  node_options=
  while [ "$1" != -- ]; do
    node_options="$node_options $1"
    shift
  done
  shift
  # Split on purpose: words without blanks.
  # shellcheck disable=SC2086
  set -f
  # The name of the process is the program's: pidof, pgrep and killall look for it.
  exec $prefix "$node" "--title=$program" $no_debugger $node_options "$entry" "$@"
}
