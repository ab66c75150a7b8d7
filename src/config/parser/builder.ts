import { cmapNumber, cmapStringBytes } from '../../lib/cmap-value.ts';
import { CsError, csErrorName } from '../../lib/errors.ts';
import { ConfigError, type ConfigErrorCode, type Position } from '../errors.ts';
import { Icmap } from '../icmap/index.ts';
import { typeOfKey } from '../options/index.ts';
import { findOffender, LEX_ERROR_TEXT, lexErrorHint } from './hints.ts';
import { type ConfigToken, type ItemToken, latin1, latin1Bytes, lexConfig, PATH_BYTES_MAX } from './lexer.ts';
import { checkEnumeration, parseValue } from './values.ts';

/** Resolves names of users and groups; `null`: unknown. */
export interface AccountNames {
  userId(name: string): number | null;
  groupId(name: string): number | null;
}

/** One option as it stood in a file, for the linter. */
export interface SourceItem {
  /** Section path as written, without indices. */
  readonly section: string;
  readonly key: string;
  readonly value: string;
  readonly position: Position;
  /** Key in the map, when it got there. */
  readonly storedKey: string;
}
export interface SourceSection {
  readonly path: string;
  readonly position: Position;
}

/** A `service` block, in file order. */
export type ServiceBlock = Readonly<Record<string, string>>;

/** Sections whose items wait for the end of the section, or go somewhere else than to their path. */
type FrameKind = 'plain' | 'interface' | 'member' | 'node' | 'loggerSubsys' | 'loggingDaemon' | 'uidgid' | 'service';
const KIND_OF_PATH: ReadonlyMap<string, FrameKind> = new Map([
  ['totem.interface', 'interface'],
  ['totem.interface.member', 'member'],
  ['nodelist.node', 'node'],
  ['logging.logger_subsys', 'loggerSubsys'],
  ['logging.logging_daemon', 'loggingDaemon'],
  ['uidgid', 'uidgid'],
  ['service', 'service'],
]);
/** A section inside of these is read as they are: stock keeps its state, so the same items are allowed and have the same meaning. */
const INHERITED: ReadonlySet<FrameKind> = new Set(['member', 'uidgid']);

interface Frame {
  readonly kind: FrameKind;
  /** As written: length limits and types depend on it. */
  readonly path: string;
  /** Where plain items are stored; differs from `path` inside nodes. */
  readonly storePath: string;
  readonly items: ItemToken[];
}

/** More mistakes than anybody reads: a file that has them is something else. */
const ERRORS_MAX = 100;
const ACCOUNT_ID_NONE = 0xffff_ffff;
const INTERFACE_DROPPED_ABOVE = 0x7fffffff;

/**
 * Fills a map from the tokens of a file the way stock does (config-and-tools.md 1.3). Mistakes are collected, in the
 * order in which stock would meet them; stock stops at the first.
 */
export class ConfigBuilder {
  readonly map = new Icmap();
  readonly errors: ConfigError[] = [];
  readonly items: SourceItem[] = [];
  readonly sections: SourceSection[] = [];
  readonly positions = new Map<string, Position>();
  readonly services: ServiceBlock[] = [];
  private frames: Frame[] = [];
  private nodeIndex = 0;
  private file = '';
  private accountsOnly = false;

  constructor(private readonly accounts: AccountNames) {}

  /** Reads the main file. */
  addFile(file: string, bytes: Uint8Array): void {
    this.read(file, bytes, false);
  }

  /** Reads a file of `uidgid.d`, where only `uidgid` sections are allowed. */
  addAccountFile(file: string, bytes: Uint8Array): void {
    this.read(file, bytes, true);
  }

  private read(file: string, bytes: Uint8Array, accountsOnly: boolean): void {
    this.file = file;
    this.accountsOnly = accountsOnly;
    this.frames = [];
    for (const token of lexConfig(bytes)) {
      this.take(token);
      if (this.errors.length >= ERRORS_MAX) return;
    }
  }

  private take(token: ConfigToken): void {
    switch (token.kind) {
      case 'open':
        this.open(token.name, token.line, token.column);
        return;
      case 'close':
        this.close(token.line, token.column);
        return;
      case 'item':
        this.item(token);
        return;
      case 'error':
        this.parserError('SYNTAX', token, LEX_ERROR_TEXT[token.error], lexErrorHint(token.error, token.text));
        return;
      case 'end':
        if (this.frames.length > 0) {
          const open = this.frames.map(({ path }) => path).at(-1);
          this.parserError('SYNTAX', token, 'Missing closing brace', `Section ${open} is not closed`);
        }
    }
  }

  private get top(): Frame | undefined {
    return this.frames.at(-1);
  }

  private open(name: string, line: number, column: number): void {
    const parent = this.top;
    const parentPath = parent?.path ?? '';
    if (parentPath.length + name.length + 1 >= PATH_BYTES_MAX) {
      this.parserError(
        'SYNTAX',
        { line, column },
        'Start of section makes total cmap path too long',
        'Shorten the name',
      );
    }
    const path = parentPath === '' ? name : `${parentPath}.${name}`;
    this.sections.push({ path, position: this.position(line, column) });
    if (this.accountsOnly && path !== 'uidgid') {
      const text = "uidgid: Can't add subsection different than uidgid";
      this.parserError('UIDGID', { line, column }, text, 'Files of uidgid.d hold uidgid sections only');
    }
    if (path === 'nodelist') this.nodeIndex = 0;
    const kind = KIND_OF_PATH.get(path) ?? (parent !== undefined && INHERITED.has(parent.kind) ? parent.kind : 'plain');
    let storePath = parent === undefined ? name : `${parent.storePath}.${name}`;
    if (kind === 'node') storePath = `nodelist.node.${this.nodeIndex}`;
    this.frames.push({ kind, path, storePath, items: [] });
  }

  private close(line: number, column: number): void {
    const frame = this.frames.pop();
    if (frame === undefined) {
      this.parserError('SYNTAX', { line, column }, 'Unexpected closing brace', 'No section is open here');
      return;
    }
    switch (frame.kind) {
      case 'interface':
        this.closeInterface(frame);
        break;
      case 'node':
        this.nodeIndex++;
        break;
      case 'loggerSubsys':
        this.closeLoggerSubsys(frame, line, column);
        break;
      case 'loggingDaemon':
        this.closeLoggingDaemon(frame, line, column);
        break;
      case 'service':
        this.closeService(frame);
        break;
      default:
    }
  }

  private item(found: ItemToken): void {
    const frame = this.top;
    const path = frame?.path ?? '';
    const isSecret = found.secret !== undefined && path === 'totem';
    const token = found.secret === undefined || isSecret ? found : { ...found, value: latin1(found.secret) };
    if (path.length + token.key.length + 1 >= PATH_BYTES_MAX) {
      this.parserError('KEY', token, 'New key makes total cmap path too long', 'Shorten the names');
      return;
    }
    const storedKey = frame === undefined ? token.key : `${frame.storePath}.${token.key}`;
    const position = this.position(token.line, token.column);
    const value = isSecret ? `(secret of line ${token.line})` : token.value;
    this.items.push({ section: path, key: token.key, value, position, storedKey });
    if (this.accountsOnly && frame?.kind !== 'uidgid') {
      this.parserError('UIDGID', token, 'uidgid: Only uid and gid are allowed items', 'Write uidgid { uid: … }');
      return;
    }
    if (isSecret) {
      this.storeSecret(storedKey, token, found.secret);
      return;
    }
    switch (frame?.kind) {
      case 'interface':
        this.interfaceItem(frame, token);
        return;
      case 'member':
        this.memberItem(token);
        return;
      case 'loggerSubsys':
      case 'loggingDaemon':
        frame.items.push(token);
        return;
      case 'uidgid':
        this.accountItem(token);
        return;
      case 'service':
        frame.items.push(token);
        this.storeText(storedKey, token, token);
        return;
      default:
        this.plainItem(storedKey, path, token);
    }
  }

  private plainItem(storedKey: string, path: string, token: ItemToken): void {
    const enumeration = checkEnumeration(storedKey, token.value);
    if (enumeration !== null) {
      this.valueError(storedKey, token, enumeration.stockMessage, enumeration.hint);
      return;
    }
    this.storeTyped(storedKey, path, token);
  }

  private storeTyped(storedKey: string, path: string, token: ItemToken): void {
    const result = parseValue(storedKey, typeOfKey(path, token.key), token.value);
    if (result.ok) this.store(storedKey, result.value, token);
    else this.valueError(storedKey, token, result.stockMessage, result.hint);
  }

  // ---- totem.interface ----

  /** Known keys wait for the link number; unknown ones are stored without it, as stock does. */
  private interfaceItem(frame: Frame, token: ItemToken): void {
    const type = typeOfKey(frame.path, token.key);
    const known = type !== 'str' || ['bindnetaddr', 'mcastaddr', 'broadcast', 'knet_transport'].includes(token.key);
    const key = `totem.interface.${token.key}`;
    if (!known) {
      this.storeText(key, token, token);
      return;
    }
    const result = parseValue(key, type, token.value);
    if (result.ok) frame.items.push(token);
    else this.valueError(key, token, result.stockMessage, result.hint);
  }

  private memberItem(token: ItemToken): void {
    if (token.key === 'memberaddr') {
      this.frames.findLast(({ kind }) => kind === 'interface')?.items.push(token);
      return;
    }
    this.parserError('KEY', token, 'Only memberaddr is allowed in member section', 'Use a nodelist instead');
  }

  private closeInterface(frame: Frame): void {
    const linkNumber = Number(frame.items.findLast(({ key }) => key === 'linknumber')?.value ?? 0);
    // Members are stacked, so the last one of the file gets number 0.
    for (const [index, token] of frame.items
      .filter(({ key }) => key === 'memberaddr')
      .toReversed()
      .entries()) {
      this.storeText(`totem.interface.${linkNumber}.member.${index}`, token, token);
    }
    for (const token of frame.items) {
      if (token.key === 'linknumber' || token.key === 'memberaddr') continue;
      const key = `totem.interface.${linkNumber}.${token.key}`;
      const result = parseValue(key, typeOfKey(frame.path, token.key), token.value);
      // 2^31 and more wraps to a negative number in stock, which is its mark for "not given" (1.3).
      const number = result.ok ? cmapNumber(result.value) : null;
      if (result.ok && (number === null || number <= INTERFACE_DROPPED_ABOVE)) this.store(key, result.value, token);
    }
  }

  // ---- logging ----

  /** Items are replayed from last to first: a key given twice keeps its first value (1.2). */
  private closeLoggerSubsys(frame: Frame, line: number, column: number): void {
    const subsystem = frame.items.find(({ key }) => key === 'subsys')?.value;
    if (subsystem === undefined) {
      const text = 'No subsys key in logger_subsys directive';
      this.parserError('LOGGING', { line, column }, text, 'Add subsys: NAME, e.g. subsys: TOTEM');
      return;
    }
    this.replay(frame, `logging.logger_subsys.${subsystem}`, { line, column });
  }

  private closeLoggingDaemon(frame: Frame, line: number, column: number): void {
    const name = frame.items.find(({ key }) => key === 'name')?.value;
    const subsystem = frame.items.find(({ key }) => key === 'subsys')?.value;
    if (name === undefined) {
      this.parserError('LOGGING', { line, column }, 'No name key in logging_daemon directive', 'Add name: corosync');
      return;
    }
    if (name !== 'corosync') {
      const target = `logging.logging_daemon.${name}${subsystem === undefined ? '' : `.${subsystem}`}`;
      this.replay(frame, target, { line, column });
      return;
    }
    const target = subsystem === undefined ? 'logging' : `logging.logger_subsys.${subsystem}`;
    this.replay(frame, target, { line, column }, 'name');
  }

  private replay(
    frame: Frame,
    target: string,
    at: { readonly line: number; readonly column: number },
    without = '',
  ): void {
    for (const token of frame.items.toReversed()) {
      if (token.key === without) continue;
      this.storeText(`${target}.${token.key}`.slice(0, PATH_BYTES_MAX - 1), token, at);
    }
  }

  // ---- uidgid, service ----

  private accountItem(token: ItemToken): void {
    if (token.key !== 'uid' && token.key !== 'gid') {
      this.parserError('UIDGID', token, 'uidgid: Only uid and gid are allowed items', 'Write uid: or gid:');
      return;
    }
    const id = this.accountId(token.key, token.value);
    if (id !== null) {
      const key = `uidgid.config.${token.key}.${id}`;
      this.map.setU8(key, 1);
      this.positions.set(key, this.position(token.line, token.valueColumn));
      return;
    }
    const [what, file] = token.key === 'uid' ? ['user', '/etc/passwd'] : ['group', '/etc/group'];
    // The largest number is stock's mark for "not found": it refuses it without a text.
    const isMark = Number(token.value) === ACCOUNT_ID_NONE;
    const text = isMark ? '' : `The '${token.value}' ${what} is not found in ${file}, please read the documentation.`;
    this.parserError(
      'UIDGID',
      { line: token.line, column: token.valueColumn },
      text,
      `Create the ${what} or use its number`,
    );
  }

  private accountId(key: 'uid' | 'gid', text: string): number | null {
    const match = /^[+]?(\d+)$/.exec(text);
    if (match !== null && Number(match[1]) < ACCOUNT_ID_NONE) return Number(match[1]);
    return key === 'uid' ? this.accounts.userId(text) : this.accounts.groupId(text);
  }

  private closeService(frame: Frame): void {
    this.services.push(Object.fromEntries(frame.items.map(({ key, value }) => [key, value])));
  }

  // ---- storing and errors ----

  private storeText(key: string, token: ItemToken, at: { readonly line: number; readonly column: number }): void {
    this.store(key, cmapStringBytes(latin1Bytes(token.value)), token, at);
  }

  /** The map takes a copy of its own; the one here is overwritten. */
  private storeSecret(key: string, token: ItemToken, bytes: Uint8Array): void {
    const value = cmapStringBytes(bytes);
    this.store(key, value, token);
    value.bytes.fill(0);
  }

  private store(
    key: string,
    value: Parameters<Icmap['setValue']>[1],
    token: ItemToken,
    at: { readonly line: number; readonly column: number } = token,
  ): void {
    const status = this.map.setValue(key, value);
    if (status === CsError.OK) {
      this.positions.set(key, this.position(token.line, token.valueColumn));
      return;
    }
    const text = `Can't store key "${key}" into icmap, returned error is CS_ERR_${csErrorName(status)}`;
    const offender = findOffender(token.key);
    const hint = keyHint(key, offender?.name ?? findOffender(key)?.name);
    const column = at.column + (at === token ? (offender?.index ?? 0) : 0);
    this.parserError('KEY', { line: at.line, column }, text, hint, key);
  }

  private valueError(key: string, token: ItemToken, text: string, hint: string): void {
    this.parserError('VALUE', { line: token.line, column: token.valueColumn }, text, hint, key);
  }

  private parserError(
    code: ConfigErrorCode extends `RONDO_CONFIG_${infer Short}` ? Short : never,
    at: { readonly line: number; readonly column: number },
    text: string,
    hint: string,
    key?: string,
  ): void {
    const position = this.position(at.line, at.column);
    const stockMessage = `parser error: ${this.file}:${at.line}: ${text}`;
    const details = { stockMessage, position, hint };
    this.errors.push(new ConfigError(`RONDO_CONFIG_${code}`, text, key === undefined ? details : { ...details, key }));
  }

  private position(line: number, column: number): Position {
    return { file: this.file, line, column };
  }
}

function keyHint(key: string, offender: string | undefined): string {
  if (offender !== undefined) return `Remove ${offender}; names are made of A-Z a-z 0-9 . _ - / :`;
  return key.length < 3 ? 'A name has at least 3 characters' : 'Shorten the name';
}
