import { execFile } from 'node:child_process';
import { printable } from '../lib/printable.ts';
import { type Notice, statusWord } from './notice.ts';
import type { Delivery } from './receiver.ts';

/** Stock's notifyd: path and interface of its signals, on the system bus. */
const PATH = '/org/corosync';
const INTERFACE = 'org.corosync';
const SEND_MS_MAX = 5_000;

/** An argument of a signal, as dbus-send takes it. */
type Argument = `string:${string}` | `uint32:${number}`;
const text = (value: string): Argument => `string:${printable(value)}`;
export interface Signal {
  readonly member: string;
  readonly args: readonly Argument[];
}

/**
 * The signals of an event (config-and-tools.md 3.7). Stock sends that of a link under the name of the quorum's; those who listen for it get it, and
 * the one of the right name follows. Events that stock does not have are not sent.
 */
export function dbusSignals({ host, nodeId, event }: Pick<Notice, 'host' | 'nodeId' | 'event'>): readonly Signal[] {
  const here: readonly Argument[] = [text(host), `uint32:${nodeId}`];
  const status = text(statusWord(event));
  switch (event.kind) {
    case 'quorum':
      return [{ member: 'QuorumStateChange', args: [...here, status] }];
    case 'node': {
      const address = event.address ?? 'unknown';
      const node: readonly Argument[] = [text(event.name ?? address), `uint32:${event.peerId}`];
      return [{ member: 'NodeStateChange', args: [...node, text(address), status] }];
    }
    case 'client':
      return [{ member: 'ConnectionStateChange', args: [...here, text(event.client), status] }];
    case 'link': {
      const args: readonly Argument[] = [...here, `uint32:${event.peerId}`, `uint32:${event.link}`, status];
      return ['QuorumStateChange', 'LinkStateChange'].map((member) => ({ member, args }));
    }
    default:
      return [];
  }
}

/** Through `dbus-send` of the package dbus: a signal needs no more of the protocol than that. */
export function dbusDelivery(): Delivery {
  return {
    async deliver(notice, _dropped, signal) {
      for (const { member, args } of dbusSignals(notice)) await send(member, args, signal);
    },
  };
}

function send(member: string, args: readonly string[], signal: AbortSignal): Promise<void> {
  const words = ['--system', '--type=signal', PATH, `${INTERFACE}.${member}`, ...args];
  return new Promise((resolve, reject) => {
    execFile('dbus-send', words, { timeout: SEND_MS_MAX, signal }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else if ('code' in error && error.code === 'ENOENT')
        reject(new Error('dbus-send is not installed (package dbus-bin or dbus)'));
      else reject(new Error(stderr.trim().split('\n')[0] || error.message));
    });
  });
}
