import { readFileSync } from 'node:fs';
import {
  CmapType,
  type CmapValue,
  cmapBinary,
  cmapDouble,
  cmapFloat,
  cmapInteger,
  cmapIntegerRange,
  cmapStringBytes,
  cmapTypeFromName,
  cmapTypeName,
  cmapValueText,
} from '../../lib/cmap-value.ts';
import { CsError } from '../../lib/errors.ts';
import { CMAP_CALLS, CMAP_NOTIFY } from '../../services/codec/cmap.ts';
import { CmapResponse } from '../../services/codec/ids.ts';
import { messageId } from '../../services/codec/struct.ts';
import { getopt } from './getopt.ts';
import { getKey, keyNameOf, listKeys } from './keys.ts';
import { scanDouble, scanI64, scanU64 } from './scan.ts';
import {
  EXIT_FAILURE,
  EXIT_SUCCESS,
  Exit,
  escaped,
  foreign,
  Service,
  statusText,
  type Tool,
  type ToolIo,
} from './tool.ts';

const TRY_AGAIN_MS = 10_000;
const MAP_STATS = 1;
const CLEARABLE = ['knet', 'totem', 'ipc', 'schedmiss', 'all'];
/** Kinds of events (services.md 5.3). */
const Kind = { DELETE: 1, MODIFY: 2, ADD: 4, PREFIX: 8 } as const;
/** Longest line of a file of settings. */
const LINE_BYTES_MAX = 1023;

type Action = 'print' | 'get' | 'set' | 'delete' | 'deletePrefix' | 'track' | 'load' | 'clear';

interface Settings {
  action: Action;
  binary: boolean;
  quiet: boolean;
  prefix: boolean;
  stats: boolean;
  file: string;
  clear: string;
}

const LETTERS = 'm:hqgsdDtTbp:C:';

/** `corosync-cmapctl`: keys of the configuration and the statistics map. */
export const CMAPCTL: Tool = {
  name: 'corosync-cmapctl',
  letters: LETTERS,
  async run(args, io, program) {
    const { options, operands, errors } = getopt(program, args, LETTERS);
    const settings: Settings = {
      action: 'print',
      binary: false,
      quiet: false,
      prefix: true,
      stats: false,
      file: '',
      clear: '',
    };
    let shown = 0;
    for (const { letter, value } of options) {
      if (letter === '?') {
        io.err(`${errors[shown++]}\n`);
        return EXIT_FAILURE;
      }
      if (letter === 'h') {
        io.out(HELP);
        return EXIT_SUCCESS;
      }
      if (!take(settings, letter, value, io)) return EXIT_FAILURE;
    }
    if (operands.length === 0 && !['print', 'load', 'clear'].includes(settings.action)) {
      io.err('Expected key after options\n');
      return EXIT_FAILURE;
    }
    return new Cmapctl(io, settings).run(operands);
  },
};

/** `false`: the value is none that the option takes. */
function take(settings: Settings, letter: string, value: string, io: ToolIo): boolean {
  const actions: Readonly<Record<string, Action>> = { g: 'get', s: 'set', d: 'delete', D: 'deletePrefix', T: 'track' };
  switch (letter) {
    case 'b':
      settings.binary = true;
      break;
    case 'q':
      settings.quiet = true;
      break;
    case 'p':
      settings.file = value;
      settings.action = 'load';
      break;
    case 't':
      settings.action = 'track';
      settings.prefix = false;
      break;
    case 'C':
      if (!CLEARABLE.includes(value)) {
        io.err("argument to -C should be 'knet', 'totem', 'ipc', 'schedmiss' or 'all'\n");
        return false;
      }
      Object.assign(settings, { action: 'clear', clear: value, stats: true });
      break;
    case 'm':
      if (!['icmap', 'default', 'stats'].includes(value)) {
        io.err("invalid map name, must be 'default', 'icmap' or 'stats'\n");
        return false;
      }
      settings.stats = value === 'stats';
      break;
    default:
      settings.action = actions[letter] ?? 'print';
  }
  return true;
}

class Cmapctl {
  private cmap!: Service;

  constructor(
    private readonly io: ToolIo,
    private readonly settings: Settings,
  ) {}

  async run(operands: readonly string[]): Promise<number> {
    const cmap = await Service.open('cmap', this.io, {
      tryAgainMs: TRY_AGAIN_MS,
      connectTries: 10,
      onEvent: (event) => this.show(event),
    });
    if (typeof cmap === 'number') return this.failed(`Failed to initialize the cmap API. Error ${statusText(cmap)}`);
    this.cmap = cmap;
    try {
      if (this.settings.stats) await cmap.status(CMAP_CALLS.setCurrentMap, { map: MAP_STATS });
      return await this.act(operands);
    } finally {
      cmap.close();
    }
  }

  private async act(operands: readonly string[]): Promise<number> {
    switch (this.settings.action) {
      case 'print':
        return this.print(operands);
      case 'get':
        for (const key of operands) {
          const value = await getKey(this.cmap, key);
          if (typeof value === 'number') return this.failed(`Can't get key ${key}. Error ${statusText(value)}`);
          this.line(key, value);
        }
        return EXIT_SUCCESS;
      case 'delete':
        for (const key of operands) if (!(await this.delete(key))) return EXIT_FAILURE;
        return EXIT_SUCCESS;
      case 'deletePrefix':
        for (const prefix of operands) await this.deletePrefix(prefix);
        return EXIT_SUCCESS;
      case 'load':
        return this.load(this.settings.file);
      case 'track':
        return this.track(operands);
      case 'set': {
        const [key, type, value] = operands;
        if (key === undefined || type === undefined || value === undefined) {
          return this.failed('At least 3 parameters are expected for set');
        }
        return this.set(key, type, value);
      }
      case 'clear':
        await this.store(`stats.clear.${this.settings.clear}`, cmapInteger(CmapType.U32, 1));
        return EXIT_SUCCESS;
    }
  }

  /** Fails when no prefix has a key. */
  private async print(operands: readonly string[]): Promise<number> {
    const prefixes = operands.length === 0 ? [''] : operands;
    let without = 0;
    for (const prefix of prefixes) {
      const keys = await this.keys(prefix);
      if (keys.length === 0) without++;
      for (const { key, type, valueBytes } of keys) {
        // What is not shown need not be fetched.
        const hidden = type === CmapType.BINARY && !this.settings.binary;
        const value = hidden ? { type, bytes: new Uint8Array(valueBytes) } : await getKey(this.cmap, key);
        if (typeof value === 'number') this.io.err(`Can't get value of ${key}. Error ${statusText(value)}\n`);
        else this.line(key, value);
      }
    }
    return without > 0 && without >= operands.length ? EXIT_FAILURE : EXIT_SUCCESS;
  }

  private async keys(prefix: string) {
    const keys = await listKeys(this.cmap, prefix);
    if (typeof keys !== 'number') return keys;
    throw this.exit(`Failed to initialize iteration. Error ${statusText(keys)}`);
  }

  private async delete(text: string): Promise<boolean> {
    const key = keyNameOf(text);
    const status = key === null ? CsError.NAME_TOO_LONG : await this.cmap.status(CMAP_CALLS.delete, { key });
    if (status !== CsError.OK) this.io.err(`Can't delete key ${text}. Error ${statusText(status)}\n`);
    return status === CsError.OK;
  }

  private async deletePrefix(prefix: string): Promise<void> {
    for (const { key } of await this.keys(prefix)) await this.delete(key);
  }

  private async set(key: string, typeName: string, text: string): Promise<number> {
    const type = cmapTypeFromName(typeName);
    if (type === null) throw this.exit(`Unknown type ${typeName}`);
    const value = this.valueOf(type, typeName, text);
    const status = value === null ? CsError.INVALID_PARAM : await this.store(key, value);
    if (status !== CsError.OK) throw this.exit(`Failed to set key ${key}. Error ${statusText(status)}`);
    return EXIT_SUCCESS;
  }

  /** `null`: a binary of no bytes, which libcmap refuses. */
  private valueOf(type: number, typeName: string, text: string): CmapValue | null {
    if (type === CmapType.STRING) return cmapStringBytes(Buffer.from(text));
    if (type === CmapType.BINARY) {
      const bytes = this.file(text);
      return bytes.length === 0 ? null : cmapBinary(bytes);
    }
    const invalid = (): Exit => this.exit(`${text} is not valid ${typeName} type value`);
    if (type === CmapType.FLOAT || type === CmapType.DOUBLE) {
      const number = scanDouble(text);
      if (number === null) throw invalid();
      return type === CmapType.FLOAT ? cmapFloat(number) : cmapDouble(number);
    }
    const integer = typeName.startsWith('u') ? scanU64(text) : scanI64(text);
    if (integer === null) throw invalid();
    const [min, max] = cmapIntegerRange(type) ?? [0n, 0n];
    if (integer < min || integer > max) throw this.exit(`${text} is not valid ${typeName} integer`);
    return cmapInteger(type, integer);
  }

  private file(path: string): Uint8Array {
    try {
      return readFileSync(path === '-' ? 0 : path);
    } catch (error) {
      throw this.exit(`Can't open input file: ${reason(error)}`);
    }
  }

  private store(text: string, { type, bytes }: CmapValue): Promise<number> {
    const key = keyNameOf(text);
    if (key === null) return Promise.resolve(CsError.NAME_TOO_LONG);
    // Strings travel without their NUL.
    const tail = type === CmapType.STRING ? bytes.subarray(0, bytes.length - 1) : bytes;
    return this.cmap.status(CMAP_CALLS.set, { key, valueBytes: tail.length, type }, { tail });
  }

  private async load(path: string): Promise<number> {
    let text: string;
    try {
      text = readFileSync(path, 'latin1');
    } catch (error) {
      this.io.err(`Couldn't open file.: ${reason(error)}\n`);
      return EXIT_SUCCESS;
    }
    for (const line of linesOf(text)) {
      if (/^[ \t]*(?:[#\n]|$)/.test(line)) continue;
      const [name = '', type, value] = line.split(/[ \n]+/).filter((word) => word !== '');
      const key = Buffer.from(name.replace(/^[\t]+/, ''), 'latin1').toString();
      if (key.startsWith('^^')) await this.deletePrefix(key.slice(2));
      else if (key.startsWith('^')) await this.delete(key.slice(1));
      else if (type === undefined || value === undefined) {
        throw this.exit(`Both type and value for key ${key} are required`);
      } else await this.set(key, type, Buffer.from(value, 'latin1').toString());
    }
    return EXIT_SUCCESS;
  }

  private async track(operands: readonly string[]): Promise<number> {
    const trackType = Kind.ADD | Kind.DELETE | Kind.MODIFY | (this.settings.prefix ? Kind.PREFIX : 0);
    for (const text of operands) {
      const key = keyNameOf(text);
      const status =
        key === null
          ? CsError.NAME_TOO_LONG
          : await this.cmap.status(CMAP_CALLS.trackAdd, { key, trackType, cookie: 0n });
      if (status !== CsError.OK) throw this.exit(`Failed to add tracking function. Error ${statusText(status)}`);
    }
    this.io.out('Type "q" to finish\n');
    const lost = this.cmap.ended.then(() => 'lost');
    if ((await Promise.race([lost, typedQuit(this.io)])) === 'lost') {
      this.io.err(`Dispatch error ${statusText(CsError.LIBRARY)}\n`);
    }
    return EXIT_SUCCESS;
  }

  private show(event: Uint8Array): void {
    if (messageId(event) !== CmapResponse.NOTIFY) return;
    const notify = CMAP_NOTIFY.decode(event);
    const values = notify && CMAP_NOTIFY.tailBytes(event, notify.newBytes + notify.oldBytes);
    if (notify === null || values === null) return;
    const added = { type: notify.newType, bytes: values.subarray(0, notify.newBytes) };
    const gone = { type: notify.oldType, bytes: values.subarray(notify.newBytes) };
    const [word, value] =
      notify.event === Kind.ADD
        ? ['create', added]
        : notify.event === Kind.DELETE
          ? ['delete', gone]
          : ['modify', added];
    this.io.out(`${word}> `);
    this.line(notify.key.text, value);
  }

  private line(key: string, value: CmapValue): void {
    const { quiet, binary } = this.settings;
    if (value.type === CmapType.BINARY) {
      const shown = binary ? ` = ${value.bytes.length === 0 ? '*empty*' : escaped(value.bytes)}` : '';
      this.io.out(`${quiet ? '' : `${key} (`}bin)${shown}\n`);
      return;
    }
    if (!quiet) this.io.out(`${key} (${cmapTypeName(value.type)}) = `);
    if (value.type === CmapType.STRING) {
      const end = value.bytes.indexOf(0);
      this.io.out(foreign(this.io, end < 0 ? value.bytes : value.bytes.subarray(0, end)));
    } else this.io.out(cmapValueText(value));
    this.io.out('\n');
  }

  private failed(message: string): number {
    this.io.err(`${message}\n`);
    return EXIT_FAILURE;
  }

  private exit(message: string): Exit {
    return new Exit(this.failed(message));
  }
}

/** Lines with their ends; longer ones are cut into lines, as by a buffer of that size. */
function linesOf(text: string): readonly string[] {
  const whole = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  return whole.flatMap((line) => line.match(new RegExp(`[^]{1,${LINE_BYTES_MAX}}`, 'g')) ?? []);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  EACCES: 'Permission denied',
  EISDIR: 'Is a directory',
  ENOTDIR: 'Not a directory',
};
const reason = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return REASONS[code] ?? code;
};

/** Resolves when a line that starts with `q` was typed, at the end of the input, or when the tool is interrupted. */
async function typedQuit(io: ToolIo): Promise<void> {
  const interrupted = new Promise<void>((resolve) => io.signal.addEventListener('abort', () => resolve()));
  const typed = async (): Promise<void> => {
    let start = true;
    for await (const chunk of io.stdin) {
      for (const char of String(chunk)) {
        if (start && char === 'q') return;
        start = char === '\n';
      }
    }
  };
  await Promise.race([interrupted, typed()]);
}

const HELP = `
usage:  corosync-cmapctl [-b] [-DdghsqTCt] [-p filename] [-m map] [params...]

    -b show binary values

    -m select map to use
          The  default  map is 'icmap' which contains configuration information and some runtime variables used by corosync. 
          A 'stats' map is also available which displays network statistics - in great detail when knet is used as the transport.
Set key:
    corosync-cmapctl -s key_name type value

    where type is one of ([i|u][8|16|32|64] | flt | dbl | str | bin)
    for bin, value is file name (or - for stdin)

    map can be either 'icmap' (the default) which contains corosync
    configuration information, or 'stats' which contains statistics
    about the networking and IPC traffic in some detail.

Clear stats:
    corosync-cmapctl -C [knet|ipc|totem|schedmiss|all]
    The 'stats' map is implied

Load settings from a file:
    corosync-cmapctl -p filename

    the format of the file is:
    [^[^]]<key_name>[ <type> <value>]
    Keys prefixed with single caret ('^') are deleted (see -d).
    Keys (actually prefixes) prefixed with double caret ('^^') are deleted by prefix (see -D).
    <type> and <value> are optional (not checked) in above cases.
    Other keys are set (see -s) so both <type> and <value> are required.

Delete key:
    corosync-cmapctl -d key_name...

Delete multiple keys with prefix:
    corosync-cmapctl -D key_prefix...

Get key:
    corosync-cmapctl [-b] -g key_name...

Quiet mode:
    corosync-cmapctl [-b] -q -g key_name...

Display all keys:
    corosync-cmapctl [-b]

Display keys with prefix key_name:
    corosync-cmapctl [-b] key_name...

Track changes on keys with key_name:
    corosync-cmapctl [-b] -t key_name

Track changes on keys with key prefix:
    corosync-cmapctl [-b] -T key_prefix

`;
