import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { RondoError } from '../../lib/errors.ts';
import { type FlightFile, mergeFlights, readFlight } from './reader.ts';

/** Name of the recorder's file in the state directory. */
export const FLIGHT_FILE = 'flight';
/** Larger files are not the recorder's. */
const FILE_BYTES_MAX = 1 << 28;
/** What the live memory of any daemon is called; nothing else is opened because a file names it. */
export const LIVE_FLIGHT_PREFIX = '/dev/shm/rondo-flight-';

export class FlightFileError extends RondoError {
  static override readonly errorName = 'FlightFileError';
  constructor(message: string) {
    super('RONDO_FLIGHT_FILE', message);
  }
}

/**
 * The recorder's file of a daemon that runs, or ran, with what its live memory has besides. `path`: the file, or the state directory.
 * Throws `FlightFileError`, which says what to do.
 */
export function loadFlight(path: string): Omit<FlightFile, 'torn'> {
  const file = isDirectory(path) ? join(path, FLIGHT_FILE) : path;
  const { bytes, uid } = readAll(file);
  const flight = readFlight(bytes);
  if (flight === null) throw new FlightFileError(`${file} is not the file of a flight recorder`);
  const live = flight.livePath === '' ? null : readLive(flight.livePath, flight.id, uid);
  return live === null ? flight : { ...flight, records: mergeFlights([flight, live]) };
}

/** The live memory that a file names, if it is its own: of the same user, with the same id; no link is followed. */
export function readLive(path: string, id: string, uid: number): (FlightFile & { readonly bytes: Uint8Array }) | null {
  if (!isLiveFlight(path)) return null;
  try {
    const source = readAll(path, constants.O_NOFOLLOW);
    const live = source.uid === uid ? readFlight(source.bytes) : null;
    return live?.id === id ? { ...live, bytes: source.bytes } : null;
  } catch {
    return null; // ended in order, or the machine was started anew
  }
}

export const isLiveFlight = (path: string): boolean =>
  path.startsWith(LIVE_FLIGHT_PREFIX) && !path.slice(LIVE_FLIGHT_PREFIX.length).includes('/');

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function readAll(path: string, flags = 0): { readonly bytes: Uint8Array; readonly uid: number } {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
    try {
      const { size, uid } = fstatSync(fd);
      const bytes = new Uint8Array(Math.min(size, FILE_BYTES_MAX));
      let length = 0;
      for (let got = -1; got !== 0 && length < bytes.length; length += got)
        got = readSync(fd, bytes, length, bytes.length - length, length);
      return { bytes: bytes.subarray(0, length), uid };
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new FlightFileError(
      `The flight recorder cannot be read: ${why}. Name its file, or the state directory it lies in, and be root`,
    );
  }
}
