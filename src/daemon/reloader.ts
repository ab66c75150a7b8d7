import type { Reloader } from '../services/cfg/ports.ts';
import type { Daemon, DaemonParts } from './daemon.ts';

export function makeReloader(_daemon: Daemon, _parts: DaemonParts): Reloader {
  return { prepare: () => ({ ok: false, reason: 'not built yet' }) };
}
