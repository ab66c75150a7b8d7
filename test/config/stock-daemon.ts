import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

const STOCK = '/usr/sbin/corosync';

/** Reason to skip tests that need a running stock daemon. */
export const stockUnavailable: string | false =
  existsSync(STOCK) && existsSync('/usr/sbin/corosync-cmapctl') && process.getuid?.() === 0
    ? false
    : 'no stock Corosync, or not root';

/** Addresses of the host that the daemon runs on; its name is in no node list. */
export const STOCK_ADDRESSES = ['127.0.0.1', '10.9.0.1', '10.9.1.1', '10.9.2.1'] as const;

const SCRIPT = `
hostname live-keys-host
mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /dev/shm && mount -t tmpfs tmpfs /var/lib/corosync
: >/run/resolv.conf && mount --bind /run/resolv.conf /etc/resolv.conf
ip link set lo up multicast on
for a in 10.9.0.1 10.9.1.1 10.9.2.1; do ip address add $a/24 dev lo; done
ip route add 224.0.0.0/4 dev lo
corosync -f -c "$0" >/run/log 2>&1 & daemon=$!
for i in $(seq 100); do
  kill -0 $daemon 2>/dev/null || break
  corosync-cmapctl >/run/keys 2>/dev/null && grep -q 'members.*status' /run/keys && break
  sleep 0.05
done
cat /run/keys
eval "$1"
sleep 0.1
corosync-cmapctl runtime.config. | sed 's/^/after /'
ss -Hnul | awk '{ print "socket " $4 }'
if [ -e "$0.next" ]; then
  mv "$0.next" "$0"
  # Stock may hang in it, for good: what is asked then would hang, too.
  timeout 10 corosync-cfgtool -R >/dev/null && timeout 10 corosync-cfgtool -R >/dev/null
  reload=$?
  echo "reload $reload"
  [ $reload = 124 ] && kill -9 $daemon
  timeout 10 corosync-cmapctl | sed 's/^/again /'
fi
kill $daemon 2>/dev/null; (sleep 5; kill -9 $daemon) 2>/dev/null & wait $daemon
echo "status $?"
tail -3 /run/log | sed 's/^/log /'
`;

/** Keys that engines and clients make, not the configuration. */
const NOT_CONFIGURATION =
  /^(internal_configuration\.|runtime\.(?!config\.)|config\.|resources\.system\.\w+\.(current|last_updated|state|poll_period) )|^resources\.watchdog_timeout \(u32\) = 6$/;

export const isConfiguration = (line: string): boolean => line !== '' && !NOT_CONFIGURATION.test(line);

export interface StockRun {
  /** Lines of corosync-cmapctl that come from the configuration; none when the daemon did not start. */
  readonly keys: readonly string[];
  /** Keys below runtime.config. after the commands. */
  readonly after: readonly string[];
  /** Of corosync-cfgtool -R, twice, with the other file; 124: it does not come back; -1: no other file. */
  readonly reloadStatus: number;
  /** As `keys`, after that. */
  readonly reloaded: readonly string[];
  /** `ADDRESS:PORT` of its UDP sockets. */
  readonly sockets: readonly string[];
  readonly status: number;
  readonly log: string;
}

/** Starts stock with this file, in namespaces of its own, until it serves its map; then runs shell commands beside it, and reloads the text `next`. */
export function runStock(file: string, commands: readonly string[] = [], next?: string): StockRun {
  if (next !== undefined) writeFileSync(`${file}.next`, next);
  const { stdout } = spawnSync('unshare', ['-m', '-n', '--uts', 'sh', '-c', SCRIPT, file, commands.join('\n')], {
    encoding: 'utf8',
    timeout: next === undefined ? 20_000 : 60_000,
  });
  rmSync(`${file}.next`, { force: true });
  const lines = stdout.split('\n');
  const rest = (word: string): string[] =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  return {
    keys: lines.filter((line) => isConfiguration(line) && !/^(?:after|again|reload|socket|status|log) /.test(line)),
    after: rest('after'),
    reloadStatus: Number(rest('reload')[0] ?? -1),
    reloaded: rest('again').filter(isConfiguration),
    sockets: rest('socket').sort(),
    status: Number(rest('status')[0] ?? -1),
    log: rest('log').join('\n'),
  };
}
