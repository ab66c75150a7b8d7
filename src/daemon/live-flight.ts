import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  FLIGHT_CURSOR_SPACING_BYTES,
  FLIGHT_HEADER_BYTES,
  FLIGHT_PARTS,
  type FlightFileHeader,
  FlightHeader,
  type FlightLayout,
  type FlightPart,
  flightLayout,
  isLiveFlight,
  LIVE_FLIGHT_PREFIX,
  readFlightHeader,
  writeFlightHeader,
} from '../observe/flight/index.ts';
import { Arena } from '../os/arena.ts';
import { errnoName } from '../os/errno.ts';
import { allocateFile, closeFd, OpenFlag, openFile, tryLockOpenFile, unlinkFile } from '../os/fd.ts';

const DIRECTORY = dirname(LIVE_FLIGHT_PREFIX);
/** Records of a part that may be new between two copies. */
const RECORDS_MAX = 2048;
const NAME_BYTES = 9;

/** Memory that both threads write into, and that is there after a kill. */
export interface LiveFlight {
  readonly layout: FlightLayout;
  readonly bytes: Uint8Array;
  readonly address: number;
  readonly byteLength: number;
  /** Its file; empty: it is ordinary memory, and `missing` says why. */
  readonly path: string;
  readonly missing: string | null;
  /** Sequence number of the last record of a part. */
  cursor(part: FlightPart): number;
  remove(): void;
}

/** The recorder's own file, which the live memory goes with. */
export interface FlightHome {
  readonly layout: FlightLayout;
  readonly nodeId: number;
  readonly id: string;
  readonly path: string;
}

/** Never fails for want of room in /dev/shm: then what it holds ends with the process. */
export function openLiveFlight({ layout: { parts }, nodeId, id, path: home }: FlightHome): LiveFlight {
  const layout = flightLayout(parts.map(({ records }) => Math.min(records, RECORDS_MAX)));
  const arena = Arena.map(layout.bytes);
  const path = `${LIVE_FLIGHT_PREFIX}${randomBytes(NAME_BYTES).toString('base64url')}`;
  const fd = mapNewFile(arena, path, layout.bytes);
  arena.u8.set(writeFlightHeader({ nodeId, id, livePath: home, layout }));
  return {
    layout,
    bytes: arena.u8.subarray(0, layout.bytes),
    address: arena.address,
    byteLength: arena.byteLength,
    path: fd < 0 ? '' : path,
    missing: fd < 0 ? errnoName(fd) : null,
    cursor: (part) =>
      arena.data.getFloat64(FlightHeader.CURSORS + FLIGHT_PARTS.indexOf(part) * FLIGHT_CURSOR_SPACING_BYTES, true),
    remove: () => {
      if (fd < 0) return;
      unlinkFile(path);
      closeFd(fd);
    },
  };
}

/** With its blocks, so that no store fails later, and locked as long as the process lives. The descriptor, or -errno. */
function mapNewFile(arena: Arena, path: string, bytes: number): number {
  const fd = openFile(path, OpenFlag.RDWR | OpenFlag.CREAT | OpenFlag.EXCL | OpenFlag.NOFOLLOW);
  if (fd < 0) return fd;
  const locked = tryLockOpenFile(fd);
  const allocated = locked < 0 ? locked : allocateFile(fd, bytes);
  const mapped = allocated < 0 ? allocated : arena.mapFile(0, bytes, fd);
  if (mapped === 0) return fd;
  unlinkFile(path);
  closeFd(fd);
  return mapped;
}

/** Removes one that a daemon left, and no other file. */
export function removeLiveFlight(path: string): void {
  if (isLiveFlight(path)) unlinkFile(path);
}

/**
 * Removes those of this user that nobody needs: their daemon is gone, and its own file, which would name them, is gone, too, or names another.
 * What a daemon that was killed left stays until it starts again, or its state directory is removed.
 */
export function sweepLiveFlights(headerOf: (path: string) => FlightFileHeader | null): void {
  for (const name of readdirSync(DIRECTORY)) {
    const path = join(DIRECTORY, name);
    const live = isLiveFlight(path) ? abandoned(path) : null;
    if (live === null) continue;
    const home = headerOf(live.livePath);
    if (home === null || home.id !== live.id || home.livePath !== path) unlinkFile(path);
  }
}

/** The header of one that belongs to this user and that no process holds. */
function abandoned(path: string): FlightFileHeader | null {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.uid !== process.geteuid?.() || tryLockOpenFile(fd) < 0) return null;
      const bytes = new Uint8Array(FLIGHT_HEADER_BYTES);
      readSync(fd, bytes, 0, bytes.length, 0);
      return readFlightHeader(bytes);
    } finally {
      closeSync(fd);
    }
  } catch {
    return null; // gone meanwhile, or another user's
  }
}
