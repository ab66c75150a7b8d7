import { execFileSync } from 'node:child_process';
import { randomBytes, X509Certificate } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { keyFileExposure } from '../config/key-material.ts';
import { createOwnFile, readOwnFile } from '../os/own-file.ts';
import { inPrivateDirectory } from '../os/private-directory.ts';
import { trustedFile } from '../os/trusted-path.ts';

/** Files of a directory of keys, in PEM. */
export const TlsFile = {
  AUTHORITY: 'ca.crt',
  AUTHORITY_KEY: 'ca.key',
  CERTIFICATE: 'node.crt',
  KEY: 'node.key',
} as const;
/** What says to pcs that a directory has keys: it looks for a file of an NSS database. To NSS it is an empty list of modules. */
export const NSS_MARK = 'pkcs11.txt';
const FILE_BYTES_MAX = 64 * 1024;
const PKCS12_BYTES_MAX = 256 * 1024;
const GROUP_READS = 0o040;
/** NSS's tools seal and open with hundreds of thousands of rounds: seconds on a busy host. */
const TOOL_MS_MAX = 60_000;
const TOOL_PLACES = ['/usr/bin', '/usr/local/bin'];

/** What a TLS context is made of. Private keys are bytes. */
export interface TlsKeys {
  readonly ca: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** Certificate and key together, as NSS gives them out. */
  readonly pfx?: Buffer;
  readonly passphrase?: string;
}

const contexts = new WeakMap<TlsKeys, SecureContext>();

/**
 * What connections are made with, once for the same keys: NSS seals a PKCS #12 file so that opening it takes a third of a second of
 * processor time, and a device on a busy node that did so for each connection came too late each time.
 */
export function secureContextOf(keys: TlsKeys): SecureContext {
  const known = contexts.get(keys);
  if (known !== undefined) return known;
  const { ca, cert, key, pfx, passphrase } = keys;
  const context = createSecureContext({ ca, ...(pfx === undefined ? { cert, key } : { pfx, passphrase }) });
  contexts.set(keys, context);
  return context;
}

/** Why there are no keys, and what to do. */
export class KeyProblem extends Error {
  override readonly name = 'KeyProblem';
}

export interface NssNames {
  readonly authority: string;
  readonly certificate: string;
}

/**
 * The keys of a directory: PEM files, or else what an NSS database of stock's there holds, asked of NSS's own tools. `certificate` says
 * whether there must be one with its key: a device without it can talk to servers that require none. `warn` hears of a key that others can read.
 * `work`: where a database's keys lie for a moment, in a directory of their own; nothing is taken from the environment.
 */
export function loadKeys(
  directory: string,
  names: NssNames,
  certificate: 'required' | 'optional',
  warn: (text: string) => void,
  work: string,
): TlsKeys {
  const read = (name: string): Buffer | null => {
    const bytes = readOwnFile(join(directory, name), FILE_BYTES_MAX);
    return bytes === null ? null : Buffer.from(bytes);
  };
  const ca = read(TlsFile.AUTHORITY);
  if (ca === null) return fromDatabase(directory, names, certificate, work);
  const [cert, key] = [read(TlsFile.CERTIFICATE), read(TlsFile.KEY)];
  if (cert !== null && key !== null) {
    const path = join(directory, TlsFile.KEY);
    const { mode, uid, gid } = statSync(path);
    // The group of the daemon's own user may read it: that is how root gives it the key.
    const seenMode = gid === process.getegid?.() ? mode & ~GROUP_READS : mode;
    const exposure = keyFileExposure({ mode: seenMode, uid, gid }, process.geteuid?.() ?? 0);
    if (exposure !== null) warn(`The private key ${path} is not secret: ${exposure}`);
    return { ca, cert, key };
  }
  if (certificate === 'optional') return { ca };
  throw new KeyProblem(
    `${directory} lacks ${TlsFile.CERTIFICATE} or ${TlsFile.KEY}. Make it with the certutil command`,
  );
}

export const hasDatabase = (directory: string): boolean =>
  ['cert9.db', 'cert8.db'].some((name) => existsSync(join(directory, name)));

function fromDatabase(
  directory: string,
  names: NssNames,
  certificate: 'required' | 'optional',
  parent: string,
): TlsKeys {
  if (!hasDatabase(directory))
    throw new KeyProblem(
      `${directory} has neither ${TlsFile.AUTHORITY} nor an NSS database. Make keys with the certutil command`,
    );
  const ca = tool('certutil', ['-L', '-d', directory, '-n', names.authority, '-a']);
  // Where others cannot look: the database's own directory may be readable for a group.
  return inPrivateDirectory(parent, (work) => {
    const passphrase = randomBytes(24).toString('base64url');
    const [secret, file] = [join(work, 'word'), join(work, 'keys.p12')];
    createOwnFile(secret, Buffer.from(`${passphrase}\n`), 0o600, false);
    const password = passwordOf(directory);
    const how = ['-n', names.certificate, '-w', secret, '-c', 'AES-128-CBC', '-C', 'AES-128-CBC', ...password];
    try {
      tool('pk12util', ['-o', file, '-d', copyOfDatabase(directory, work), ...how]);
    } catch (error) {
      if (certificate === 'optional') return { ca };
      throw error;
    }
    const pfx = readOwnFile(file, PKCS12_BYTES_MAX);
    if (pfx === null) throw new KeyProblem(`pk12util wrote no keys of ${directory}`);
    return { ca, pfx: Buffer.from(pfx), passphrase };
  });
}

/** Only these hold certificates and keys; the list of modules (pkcs11.txt) has the path of the original in it, and NSS makes a new one. */
const DATABASE_FILES = ['cert9.db', 'key4.db', 'cert8.db', 'key3.db'];
const DATABASE_BYTES_MAX = 16 * 1024 * 1024;

/** pk12util opens a database to write, with no option against that; the daemon's user may only read it, as stock's package makes it. */
function copyOfDatabase(directory: string, work: string): string {
  const copy = join(work, 'database');
  mkdirSync(copy, { mode: 0o700 });
  for (const name of DATABASE_FILES) {
    const bytes = readOwnFile(join(directory, name), DATABASE_BYTES_MAX);
    if (bytes === null) continue;
    createOwnFile(join(copy, name), bytes, 0o600, false);
    bytes.fill(0);
  }
  return copy;
}

/** Stock's databases have an empty password, which nobody needs to give; another one is in this file, if the daemon's user may read it. */
function passwordOf(directory: string): readonly string[] {
  const path = join(directory, 'pwdfile.txt');
  try {
    accessSync(path, constants.R_OK);
    return ['-k', path];
  } catch {
    return [];
  }
}

/** Runs a program by its absolute path, which nobody but root may be able to change, without a shell, with nothing of the environment. */
export function tool(name: string, args: readonly string[], input?: Buffer): Buffer {
  const path = TOOL_PLACES.map((place) => join(place, name)).find((candidate) => existsSync(candidate));
  if (path === undefined) throw new KeyProblem(`${name} is not installed in ${TOOL_PLACES.join(' or ')}`);
  try {
    return execFileSync(trustedFile(path), args, {
      ...(input === undefined ? {} : { input }),
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      timeout: TOOL_MS_MAX,
      maxBuffer: 1024 * 1024,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ETIMEDOUT')
      throw new KeyProblem(`${name} did not end within ${TOOL_MS_MAX / 1000} s`, { cause: error });
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n').at(-1) : '';
    throw new KeyProblem(`${name} failed${said === '' ? '' : `: ${said}`}`, { cause: error });
  }
}

/** The names that a certificate is for: its common name, and host names. */
export function isCertificateFor(
  subject: { CN?: string | string[] } | undefined,
  alternatives: string | undefined,
  name: string,
): boolean {
  const common = subject?.CN;
  const names = [common ?? []].flat();
  for (const part of alternatives?.split(', ') ?? [])
    if (part.startsWith('DNS:')) names.push(part.slice('DNS:'.length));
  return names.some((candidate) => candidate.toLowerCase() === name.toLowerCase());
}

const PEM_CERTIFICATES = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** The certificates of a text in PEM, with whatever else it holds. */
export const certificatesIn = (pem: Buffer): readonly string[] => pem.toString('latin1').match(PEM_CERTIFICATES) ?? [];

/** Whether one of the authorities (PEM) has signed a certificate (DER). When either is valid is not looked at. */
export function isSignedBy(certificate: Buffer, authorities: Buffer): boolean {
  const judged = new X509Certificate(certificate);
  return certificatesIn(authorities).some((pem) => {
    const authority = new X509Certificate(pem);
    return authority.ca && judged.checkIssued(authority) && judged.verify(authority.publicKey);
  });
}
