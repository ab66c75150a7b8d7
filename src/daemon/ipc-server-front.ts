import type { Daemon } from './daemon.ts';
import type { IpcFront } from './ipc-front.ts';

/** Interim: no clients yet. */
export function openIpcFront(_daemon: Daemon, _instance: string): IpcFront {
  return {
    publish: async () => {},
    withdraw: () => {},
    allow: () => {},
    flowControl: () => {},
    remoteClosed: () => {},
    stats: { active: 0, closed: 0, connections: () => [], clear: () => {} },
    close: async () => {},
  };
}
