import { channel } from 'node:diagnostics_channel';
import type { ConnectionError } from './errors.ts';

/**
 * Channels of `node:diagnostics_channel`, for tracing and metrics. Nothing is made for them while nobody listens.
 *
 *   rondo:connect     { service, instance }           a connection was made
 *   rondo:disconnect  { service, instance, error }    it ended; `null`: it was closed from here
 */
const connected = channel('rondo:connect');
const disconnected = channel('rondo:disconnect');

export function reportConnect(service: string, instance: string): void {
  if (connected.hasSubscribers) connected.publish({ service, instance });
}

export function reportEnd(service: string, instance: string, error: ConnectionError | null): void {
  if (disconnected.hasSubscribers) disconnected.publish({ service, instance, error });
}
