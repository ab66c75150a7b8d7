import { closeSync, constants, fchmodSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { openTrusted } from '../../os/trusted-path.ts';
import { getopt, type LongOption } from './getopt.ts';
import { EXIT_SUCCESS, type Tool, type ToolIo } from './tool.ts';

const LONG: readonly LongOption[] = [
  { name: 'key-file', short: 'k', argument: true },
  { name: 'less-secure', short: 'l', argument: false },
  { name: 'random-file', short: 'r', argument: true },
  { name: 'size', short: 's', argument: true },
  { name: 'help', short: 'h', argument: false },
];
const KEY_FILE = '/etc/corosync/authkey';
const RANDOM_FILE = '/dev/urandom';
/** What the ring takes as a key, in bytes. */
const KEY_BYTES = { min: 128, default: 256, max: 4096 } as const;
const Failure = { RANDOM: 1, CREATE: 2, WRITE: 4 } as const;

const LETTERS = 'k:r:s:lh';

/** `corosync-keygen`: a key for the encryption of the ring. */
export const KEYGEN: Tool = {
  name: 'corosync-keygen',
  letters: LETTERS,
  async run(args, io, program) {
    const { options, errors } = getopt(program, args, LETTERS, LONG);
    let keyFile = KEY_FILE;
    let randomFile = RANDOM_FILE;
    let keyBytes: number = KEY_BYTES.default;
    for (const { letter, value } of options) {
      switch (letter) {
        case 'k':
          keyFile = value;
          break;
        case 'r':
          randomFile = value;
          break;
        case 's':
          keyBytes = /^\s*\+?[0-9]+$/.test(value) ? Number(value) : 0;
          if (keyBytes < KEY_BYTES.min || keyBytes > KEY_BYTES.max) {
            io.err(`${program}: Unsupported key size (supported <${KEY_BYTES.min},${KEY_BYTES.max}>)\n\n`);
            return Failure.RANDOM;
          }
          break;
        case 'h':
          io.out(`${USAGE}\n`);
          return EXIT_SUCCESS;
        case '?':
          io.err(`${errors[0]}\n`);
          io.out('Error parsing command line options.\n');
          return Failure.RANDOM;
        default: // -l is there for compatibility
      }
    }
    return generate(io, program, { keyFile, randomFile, keyBytes });
  },
};

interface Order {
  readonly keyFile: string;
  readonly randomFile: string;
  readonly keyBytes: number;
}

function generate(io: ToolIo, program: string, { keyFile, randomFile, keyBytes }: Order): number {
  const fail = (status: number, what: string, error: unknown): number => {
    io.err(`${program}: ${what}: ${reasonOf(error)}\n`);
    return status;
  };
  io.out('Corosync Cluster Engine Authentication key generator.\n');
  io.out(`Gathering ${keyBytes * 8} bits for key from ${randomFile}.\n`);
  const key = new Uint8Array(keyBytes);
  try {
    let random: number;
    try {
      random = openSync(randomFile, constants.O_RDONLY);
    } catch (error) {
      return fail(Failure.RANDOM, 'Failed to open random source', error);
    }
    try {
      if (!gather(io, random, key)) return fail(Failure.RANDOM, 'Could not read /dev/random', new Error('end of file'));
    } catch (error) {
      return fail(Failure.RANDOM, 'Could not read /dev/random', error);
    } finally {
      closeSync(random);
    }
    let file: number;
    try {
      file = openKeyFile(keyFile);
    } catch (error) {
      return fail(Failure.CREATE, `Could not create ${keyFile}`, error);
    }
    try {
      fchmodSync(file, 0o400);
      io.out(`Writing corosync key to ${keyFile}.\n`);
      if (writeSync(file, key) !== key.length) throw new Error('short write');
    } catch (error) {
      return fail(Failure.WRITE, `Could not write ${keyFile}`, error);
    } finally {
      closeSync(file);
    }
    return EXIT_SUCCESS;
  } finally {
    key.fill(0);
  }
}

/**
 * A new or emptied file of root's or of this user. In a directory where others can make files one of theirs may be there already, open: they would
 * read the key; or a link of theirs to something of root's.
 */
function openKeyFile(path: string): number {
  const file = openTrusted(path, constants.O_CREAT | constants.O_WRONLY, 0o600, 'orDevice');
  try {
    const stat = fstatSync(file);
    if (stat.uid !== 0 && stat.uid !== process.geteuid?.()) throw new Error(`it belongs to user ${stat.uid}`);
    if (stat.isFile()) ftruncateSync(file);
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** `false`: the source ended before the key was full; a C program would wait for ever. */
function gather(io: ToolIo, random: number, key: Uint8Array): boolean {
  for (let at = 0; at < key.length; ) {
    const read = readSync(random, key, at, key.length - at, null);
    if (read === 0) return false;
    at += read;
    const missing = (key.length - at) * 8;
    if (missing > 0) io.out(`Press keys on your keyboard to generate entropy (${missing} bits still needed).\n`);
  }
  return true;
}

/** The text of the C library: what Node.js puts between the code and the call. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [, reason = text] = /^[A-Z0-9]+: (.*?)(?:,|$)/.exec(text) ?? [];
  return reason.charAt(0).toUpperCase() + reason.slice(1);
}

const USAGE = `Usage: corosync-keygen [-k <keyfile>] [-s size] [-m <randomfile>] [-l] [-h]
     -k / --key-file=<filename> -  Write to the specified keyfile
            instead of the default ${KEY_FILE}.
     -r / --random-file -  Random number source file. Default is 
            /dev/urandom. As an example /dev/random may be requested
            (that may require user input for entropy).
     -l / --less-secure - Not used, option is kept only
            for compatibility.
     -s / --size -  Length of key.
     -h / --help -  Print basic usage.
`;
