import type { OpenChannel } from './channel.ts';
import { ConnectionError } from './errors.ts';

/** Placeholder until the client half of the IPC layer is there. */
export const openIpcChannel: OpenChannel = (service) =>
  Promise.reject(new ConnectionError('RONDO_CONNECT', `${service}: this build has no IPC client yet`));
