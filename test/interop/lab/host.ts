import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout: this file runs from dist/test/interop/lab/. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../../..');

const COMMANDS = ['ip', 'nft', 'nsenter', 'unshare', 'setpriv', 'gcc'];

let verdict: string | false | undefined;
let ours: string | false | undefined;
let newer: string | false | undefined;

/** Why the lab cannot run here, for a test's `skip` option; `false` when it can. */
export function labUnavailable(): string | false {
  verdict ??= examine();
  return verdict;
}

function examine(): string | false {
  if (process.platform !== 'linux') return 'interop lab needs Linux';
  if (process.getuid?.() !== 0) return 'interop lab needs root';
  const missing = COMMANDS.filter((command) => !hasCommand(command));
  if (missing.length > 0) return `interop lab needs the commands ${missing.join(', ')}`;
  if (!hasCommand('corosync')) return 'interop lab needs Debian’s corosync';
  if (!existsSync('/usr/include/corosync/cpg.h')) return 'interop lab needs libcpg-dev';
  const probe = 'ip link add rondo0 type bridge && ip link add rondo1 type veth peer name rondo2 && nft list ruleset';
  const { status } = spawnSync('unshare', ['--net', '--mount', '--uts', 'sh', '-c', probe], { stdio: 'ignore' });
  return status === 0 ? false : 'interop lab needs network namespaces, bridges, veth pairs and nftables';
}

export function hasCommand(name: string): boolean {
  const path = (process.env['PATH'] ?? '').split(':').filter((dir) => dir !== '');
  return ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/bin', ...path].some((dir) =>
    existsSync(join(dir, name)),
  );
}

/** Why Pacemaker scenarios cannot run here. */
export function pacemakerUnavailable(): string | false {
  return labUnavailable() || (hasCommand('pacemakerd') && hasCommand('crm_mon') ? false : 'needs Debian’s pacemaker');
}

export function qdeviceUnavailable(): string | false {
  const have = hasCommand('corosync-qdevice') && hasCommand('corosync-qnetd');
  return labUnavailable() || (have ? false : 'needs Debian’s corosync-qdevice and corosync-qnetd');
}

/** Root directory with a newer stock Corosync, made by scripts/newer-stock.sh. */
export const NEWER_ROOT = process.env['RONDO_NEWER_STOCK'] ?? '';

/** Why scenarios with a newer stock cannot run. */
export function newerUnavailable(): string | false {
  if (NEWER_ROOT === '') return 'RONDO_NEWER_STOCK names no newer Corosync (scripts/newer-stock.sh makes one)';
  newer ??= existsSync(join(NEWER_ROOT, 'usr/sbin/corosync'))
    ? false
    : `no Corosync in RONDO_NEWER_STOCK=${NEWER_ROOT}`;
  return labUnavailable() || newer;
}

/** Why scenarios with our daemon cannot run: it has not been written or built. */
export function oursUnavailable(): string | false {
  if (ours === undefined) {
    const { status } = spawnSync(join(ROOT, 'bin/rondod'), ['-v'], { stdio: 'ignore', timeout: 20_000 });
    ours = status === 0 ? false : 'bin/rondod does not run yet';
  }
  return labUnavailable() || ours;
}

let overlay: string | false | undefined;

/** Why root trees over this machine's own cannot be made here. */
export function overlayUnavailable(): string | false {
  if (overlay === undefined) {
    const probe =
      'mount -t tmpfs tmpfs /mnt && cd /mnt && mkdir u w r && mount -t overlay overlay -o lowerdir=/,upperdir=u,workdir=w r';
    const words = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', probe];
    const { status } = spawnSync('unshare', words, { stdio: 'ignore' });
    overlay = status === 0 ? false : 'needs a root tree over this one (overlayfs)';
  }
  return overlay;
}
