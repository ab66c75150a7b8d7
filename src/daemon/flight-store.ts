import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { RondoError } from '../lib/errors.ts';
import {
  FLIGHT_FILE,
  FLIGHT_HEADER_BYTES,
  FLIGHT_ID_BYTES,
  type FlightFile,
  type FlightFileHeader,
  type FlightLayout,
  type FlightPart,
  flightLayoutOf,
  readFlight,
  readFlightHeader,
  readLive,
  writeFlightHeader,
} from '../observe/flight/index.ts';
import { errnoName } from '../os/errno.ts';
import { allocateFile, fillHoles } from '../os/fd.ts';
import { readOwnFile } from '../os/own-file.ts';
import { openTrusted } from '../os/trusted-path.ts';
import { copyRuns } from './flight-copy.ts';
import { removeLiveFlight } from './live-flight.ts';

export interface FlightStoreOptions {
  readonly stateDirectory: string;
  readonly bytes: number;
  readonly nodeId: number;
}

/**
 * STATEDIR/flight: what the recorder keeps for good. All its blocks are taken when it is made, so that a full disk is noticed then. Records of
 * earlier lives stay as long as its size does; what a daemon that was killed had not copied is taken over.
 */
export class FlightStore {
  private constructor(
    readonly path: string,
    readonly fd: number,
    readonly nodeId: number,
    readonly layout: FlightLayout,
    readonly id: string,
    /** This start of the daemon, counted from 1. */
    readonly life: number,
    /** Sequence number of the last record of each part. */
    readonly last: Readonly<Record<FlightPart, number>>,
  ) {}

  /** Throws when there is no such file to be had. */
  static open({ stateDirectory, bytes, nodeId }: FlightStoreOptions): FlightStore {
    const path = join(stateDirectory, FLIGHT_FILE);
    const fd = openTrusted(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      const layout = flightLayoutOf(bytes);
      const found = readWhole(path, fd, layout.bytes);
      if (found === null) return FlightStore.make(path, fd, nodeId, layout);
      checkRoom(path, fillHoles(fd, layout.bytes), layout);
      const { last, life } = takeOver(fd, found);
      return new FlightStore(path, fd, nodeId, layout, found.id, life + 1, last);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  private static make(path: string, fd: number, nodeId: number, layout: FlightLayout): FlightStore {
    allocateFile(fd, 0);
    checkRoom(path, allocateFile(fd, layout.bytes), layout);
    const id = randomBytes(FLIGHT_ID_BYTES).toString('hex');
    return new FlightStore(path, fd, nodeId, layout, id, 1, { ring: 0, main: 0, clients: 0 });
  }

  /** Writes the header: where the live memory is; empty: there is none. */
  setLive(livePath: string): void {
    writeSync(this.fd, writeFlightHeader({ ...this, livePath }), 0, FLIGHT_HEADER_BYTES, 0);
  }
}

function checkRoom(path: string, result: number, { bytes }: FlightLayout): void {
  if (result < 0) throw new RondoError('RONDO_FLIGHT_FILE', `${path}: ${errnoName(result)} for ${bytes} bytes`);
}

/** `null`: it is new, or of another size. Throws when it is somebody else's: that is not overwritten. */
function readWhole(path: string, fd: number, bytes: number): FlightFile | null {
  const content = new Uint8Array(Math.min(fstatSync(fd).size, bytes));
  for (let at = 0, got = -1; got !== 0 && at < content.length; at += got)
    got = readSync(fd, content, at, content.length - at, at);
  const isNew = content.subarray(0, FLIGHT_HEADER_BYTES).every((byte) => byte === 0);
  const file = readFlight(content);
  if (file === null && !isNew)
    throw new RondoError('RONDO_FLIGHT_FILE', `${path} is not a flight recorder's file; remove it, or move it away`);
  return file?.layout.bytes === bytes && fstatSync(fd).size === bytes ? file : null;
}

/** The header of a recorder's file; `null`: there is none. */
export function flightHeaderOf(path: string): FlightFileHeader | null {
  const bytes = readOwnFileIfThere(path);
  return bytes === null ? null : readFlightHeader(bytes);
}

function readOwnFileIfThere(path: string): Uint8Array | null {
  try {
    return readOwnFile(path, FLIGHT_HEADER_BYTES);
  } catch {
    return null;
  }
}

/** What a daemon that was killed left in its live memory goes into the file. Returns what is the last of both. */
function takeOver(fd: number, file: FlightFile): Pick<FlightFile, 'last' | 'life'> {
  const live = file.livePath === '' ? null : readLive(file.livePath, file.id, process.geteuid?.() ?? 0);
  if (live === null) return file;
  for (const [index, from] of live.layout.parts.entries()) {
    const to = file.layout.parts[index];
    if (to === undefined) continue;
    for (const run of copyRuns(from, to, file.last[from.part], live.last[from.part]))
      writeSync(fd, live.bytes, run.from, run.bytes, run.to);
  }
  removeLiveFlight(file.livePath);
  const later = (part: FlightPart): number => Math.max(file.last[part], live.last[part]);
  return {
    last: { ring: later('ring'), main: later('main'), clients: later('clients') },
    life: Math.max(file.life, live.life),
  };
}
