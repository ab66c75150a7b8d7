import koffi from 'koffi';

/**
 * The C library, once per thread. Addresses are plain Numbers: user space ends at 2^47, so each one is exact.
 *
 * Convention of this folder: a call for the hot path returns `>= 0`, or `-errno` (see `errnoName`); a call for set-up throws
 * `OsError`. Nothing here may be called with an address of memory that the caller does not keep alive.
 */
const libc = koffi.load('libc.so.6');

/** C types that the bindings of this folder use. */
export type CType = 'void' | 'int' | 'uint32_t' | 'int64_t' | 'size_t' | 'uintptr_t' | 'str';

/** Declares a C function. `F` is its type as seen from here; it must agree with the C types given. */
export function bind<F extends (...args: never[]) => number | bigint>(
  name: string,
  result: CType,
  args: readonly CType[],
): F {
  // The library is untyped here: the C types given are all that anybody knows.
  const declared: unknown = libc.func(name, result, [...args]);
  return declared as F;
}

/** The result of a call in this folder's convention: `-errno` instead of -1. Must directly follow the call. */
export function orErrno(result: number): number {
  return result < 0 ? -koffi.errno() : result;
}

/** Address of the first byte of a view. It does not keep the memory alive: the caller must. */
export function addressOf(view: Uint8Array | Int32Array): number {
  return Number(koffi.address(view));
}

/** Zero-copy view of foreign memory. Costs tens of microseconds and lives until the collector takes it: once per mapping. */
export function bufferAt(address: number, bytes: number): ArrayBuffer {
  return koffi.view(address, bytes);
}
