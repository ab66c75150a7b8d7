import { scratch } from './arena.ts';
import { SOL_SOCKET, setOptionBytes, setOptionInt } from './socket.ts';

const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;
/** Classic BPF (linux/bpf_common.h). */
const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const RETURN = 0x06;
/** The source address in the IPv4 header, which lies before what a filter of a UDP socket sees. */
const SOURCE_AT = -0x10_0000 + 12;
const WHOLE = 0xffff_ffff;

const PROGRAM_AT = 64;
const INSTRUCTION_BYTES = 8;
/** A jump reaches as far as a byte counts. */
export const DEAF_TO_MAX = 200;

/**
 * From now on the kernel drops datagrams to this socket that come from these IPv4 addresses, in network order as one number; none: it drops
 * nothing. What waits in the socket already is not dropped. Returns 0 or -errno.
 */
export function dropDatagramsFrom(fd: number, addresses: readonly number[]): number {
  if (addresses.length === 0) return setOptionInt(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
  const count = Math.min(addresses.length, DEAF_TO_MAX);
  let at = PROGRAM_AT;
  const put = (code: number, onTrue: number, operand: number): void => {
    scratch.data.setUint16(at, code, true);
    scratch.u8[at + 2] = onTrue;
    scratch.u8[at + 3] = 0;
    scratch.data.setUint32(at + 4, operand >>> 0, true);
    at += INSTRUCTION_BYTES;
  };
  put(LOAD_WORD, 0, SOURCE_AT);
  for (let index = 0; index < count; index++) put(JUMP_EQUAL, count - index, addresses[index]!);
  put(RETURN, 0, WHOLE);
  put(RETURN, 0, 0);
  const program = new DataView(new ArrayBuffer(16)); // struct sock_fprog
  program.setUint16(0, count + 3, true);
  program.setBigUint64(8, BigInt(scratch.address + PROGRAM_AT), true);
  return setOptionBytes(fd, SOL_SOCKET, SO_ATTACH_FILTER, new Uint8Array(program.buffer));
}
