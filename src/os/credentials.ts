import { readFileSync } from 'node:fs';
import { scratch } from './arena.ts';
import { Errno } from './errno.ts';
import { CMSG_HEADER_BYTES, writeForeignIovec, writeMessageHeader } from './message.ts';
import { getOption, MSG_DONTWAIT, receiveMessage, SOL_SOCKET, SocketOption } from './socket.ts';

export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

const HEADER = 1024;
const IOVEC = 1152;
const CONTROL = 1280;
const CONTROL_BYTES = 32; // CMSG_SPACE(12)
const SCM_CREDENTIALS = 2;

/** Effective ids of the peer at connect time; null if the socket is gone. */
export function peerCredentials(fd: number): Credentials | null {
  if (getOption(fd, SOL_SOCKET, SocketOption.PEERCRED, 12) !== 12) return null;
  return { pid: scratch.i32[0]!, uid: scratch.u32[1]!, gid: scratch.u32[2]! };
}

export interface ReceivedWithCredentials {
  /** Bytes received into the given memory, 0 at the end of the stream, or -errno. */
  readonly bytes: number;
  /** What the kernel attached: the sender's real ids (libqb-ipc.md 1.8). */
  readonly credentials: Credentials | null;
}

/** Receives up to `bytesMax` bytes to `address`, with SCM_CREDENTIALS (SO_PASSCRED must be on). */
export function receiveWithCredentials(fd: number, address: number, bytesMax: number): ReceivedWithCredentials {
  writeForeignIovec(scratch, IOVEC, address, bytesMax);
  writeMessageHeader(scratch, HEADER, 0, 0, IOVEC, 1, CONTROL, CONTROL_BYTES);
  const bytes = receiveMessage(fd, scratch.address + HEADER, MSG_DONTWAIT);
  if (bytes < 0) return { bytes, credentials: null };
  const word = CONTROL >> 2;
  const received = scratch.u32[(HEADER + 40) >> 2]!;
  if (
    received < CMSG_HEADER_BYTES + 12 ||
    scratch.i32[word + 2] !== SOL_SOCKET ||
    scratch.i32[word + 3] !== SCM_CREDENTIALS
  ) {
    return { bytes, credentials: null };
  }
  return {
    bytes,
    credentials: { pid: scratch.i32[word + 4]!, uid: scratch.u32[word + 5]!, gid: scratch.u32[word + 6]! },
  };
}

/** Name of a process: the text between the outermost parentheses of /proc/<pid>/stat; empty if it is gone (libqb-ipc.md 4.4). */
export function processName(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
  } catch {
    return '';
  }
}

/** Whether a process exists. One that may not be signalled exists. */
export function processExists(pid: number): boolean {
  if (pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno !== -Errno.ESRCH;
  }
}

/** `PF_EXITING` of the kernel: set before a process closes its files, in whatever order that is. */
const FLAG_EXITING = 0x4;

/** Whether a process is gone, or on its way out. */
export function processIsEnding(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state = '', , , , , , flags = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' || (Number(flags) & FLAG_EXITING) !== 0;
  } catch {
    return !processExists(pid);
  }
}
