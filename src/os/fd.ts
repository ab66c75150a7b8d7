import { constants } from 'node:fs';
import { scratch } from './arena.ts';
import { bind, orErrno } from './libc.ts';

const cClose = bind<(fd: number) => number>('close', 'int', ['int']);
const cWrite = bind<(fd: number, address: number, bytes: number) => number>('write', 'int64_t', [
  'int',
  'uintptr_t',
  'size_t',
]);
const cRead = bind<(fd: number, address: number, bytes: number) => number>('read', 'int64_t', [
  'int',
  'uintptr_t',
  'size_t',
]);
const cPwrite = bind<(fd: number, address: number, bytes: number, at: number) => number>('pwrite', 'int64_t', [
  'int',
  'uintptr_t',
  'size_t',
  'int64_t',
]);
const cOpen = bind<(path: string, flags: number, mode: number) => number>('open', 'int', ['str', 'int', 'int']);
const cOpenAt = bind<(directory: number, name: string, flags: number, mode: number) => number>('openat', 'int', [
  'int',
  'str',
  'int',
  'int',
]);
const cUnlinkAt = bind<(directory: number, name: string, flags: number) => number>('unlinkat', 'int', [
  'int',
  'str',
  'int',
]);
const cRmdir = bind<(path: string) => number>('rmdir', 'int', ['str']);
const cFlock = bind<(fd: number, operation: number) => number>('flock', 'int', ['int', 'int']);
const cFallocate = bind<(fd: number, offset: number, bytes: number) => number>('posix_fallocate', 'int', [
  'int',
  'int64_t',
  'int64_t',
]);
const cFtruncate = bind<(fd: number, bytes: number) => number>('ftruncate', 'int', ['int', 'int64_t']);
const cFchown = bind<(fd: number, uid: number, gid: number) => number>('fchown', 'int', [
  'int',
  'uint32_t',
  'uint32_t',
]);
const cFchmod = bind<(fd: number, mode: number) => number>('fchmod', 'int', ['int', 'uint32_t']);
const cIoctl = bind<(fd: number, request: number, argument: number) => number>('ioctl', 'int', [
  'int',
  'size_t',
  'uintptr_t',
]);
const cDup = bind<(fd: number) => number>('dup', 'int', ['int']);
const cUnlink = bind<(path: string) => number>('unlink', 'int', ['str']);

const EINTR = 4;

export const OpenFlag = {
  RDONLY: 0,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  NONBLOCK: 0o4000,
  /** These two differ between machines. */
  DIRECTORY: constants.O_DIRECTORY,
  NOFOLLOW: constants.O_NOFOLLOW,
  CLOEXEC: 0o2000000,
} as const;

const FIOCLEX = 0x5451;
/** Another descriptor of the same open file, close-on-exec; -errno on failure. */
export function duplicateFd(fd: number): number {
  const copy = orErrno(cDup(fd));
  if (copy >= 0) cIoctl(copy, FIOCLEX, 0);
  return copy;
}

export const closeFd = (fd: number): number => orErrno(cClose(fd));
export const readFd = (fd: number, address: number, bytes: number): number => orErrno(cRead(fd, address, bytes));
export const writeFd = (fd: number, address: number, bytes: number): number => orErrno(cWrite(fd, address, bytes));
/** Writes at a place of the file. */
export const writeFdAt = (fd: number, address: number, bytes: number, at: number): number =>
  orErrno(cPwrite(fd, address, bytes, at));
export const openFile = (path: string, flags: number, mode = 0o600): number =>
  orErrno(cOpen(path, flags | OpenFlag.CLOEXEC, mode));
/** `ioctl` with a structure of the caller's. */
export const controlFd = (fd: number, request: number, argument: number): number =>
  orErrno(cIoctl(fd, request, argument));
export const truncateFd = (fd: number, bytes: number): number => orErrno(cFtruncate(fd, bytes));
export const changeOwnerFd = (fd: number, uid: number, gid: number): number => orErrno(cFchown(fd, uid, gid));
export const changeModeFd = (fd: number, mode: number): number => orErrno(cFchmod(fd, mode));
export const unlinkFile = (path: string): number => orErrno(cUnlink(path));
/** Removes an empty directory; a symbolic link is not followed. */
export const removeDirectory = (path: string): number => orErrno(cRmdir(path));
/** A directory itself, never what a symbolic link of that name points to. */
export const openDirectory = (path: string): number => openFile(path, OpenFlag.DIRECTORY | OpenFlag.NOFOLLOW);
/** Opens a file by its name in an open directory, and removes one: the path to the directory may change meanwhile. */
export const openFileIn = (directory: number, name: string, flags: number, mode = 0o600): number =>
  orErrno(cOpenAt(directory, name, flags | OpenFlag.CLOEXEC | OpenFlag.NOFOLLOW, mode));
export const unlinkFileIn = (directory: number, name: string): number => orErrno(cUnlinkAt(directory, name, 0));

const LOCK_EX = 2;
const LOCK_NB = 4;
/** The whole-file lock that belongs to the open file: it ends with the last descriptor of it, at the latest with the process. */
export const tryLockOpenFile = (fd: number): number => orErrno(cFlock(fd, LOCK_EX | LOCK_NB));

/**
 * Sizes a file and takes its blocks, so that a full file system is an error here and not a SIGBUS at a later store
 * (libqb-ipc.md 7.3).
 */
export function allocateFile(fd: number, bytes: number): number {
  const truncated = truncateFd(fd, bytes);
  return truncated < 0 ? truncated : fillHoles(fd, bytes);
}

/** Takes the blocks that a file lacks in its first `bytes`; what it has stays. */
export function fillHoles(fd: number, bytes: number): number {
  for (let attempt = 0; attempt < 5; attempt++) {
    const errno = cFallocate(fd, 0, bytes); // returns the errno itself
    if (errno !== EINTR) return -errno;
  }
  return -EINTR;
}

const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_APPEND_FL = 0x20;

/**
 * Makes an open file append-only: from then on nobody, not even its owner through a descriptor opened before, can make it shorter or
 * punch holes in it, while mappings stay writable. So a peer that shares the file cannot turn our loads and stores into SIGBUS.
 * tmpfs has this since Linux 6.6 and it takes CAP_LINUX_IMMUTABLE; otherwise -errno. The file cannot be unlinked either while the flag is
 * on: unlink it first.
 */
export function forbidShrinking(fd: number): number {
  scratch.i32[0] = 0;
  scratch.i32[1] = 0;
  const got = orErrno(cIoctl(fd, FS_IOC_GETFLAGS, scratch.address));
  if (got < 0) return got;
  scratch.i32[0] = scratch.i32[0]! | FS_APPEND_FL;
  return orErrno(cIoctl(fd, FS_IOC_SETFLAGS, scratch.address));
}
