import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type FileOwner, makeOwnDirectory, readOwnFile, removeOwnFile, replaceOwnFile } from '../os/own-file.ts';
import { certificatesIn, hasDatabase, KeyProblem, NSS_MARK, TlsFile, tool } from './keys.ts';

/** 1,200 months, as stock's. */
const VALID_DAYS = '36525';
const RSA = ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'];
const INPUT_BYTES_MAX = 256 * 1024;
const SERIAL_FILE = 'serial.txt';
const FIRST_SERIAL = 100;
/** The key of a request, until its certificate comes. */
const REQUEST_KEY = 'request.key';
export const PUBLIC_MODE = 0o644;
const KEY_MODE = 0o600;
/** Of the arbiter's own key: its user is in the group of the directory, and owns nothing there. */
const DAEMON_KEY_MODE = 0o640;

/** A directory of keys (`TlsFile`), with what makes them: OpenSSL's command, by its absolute path. */
export class KeyDirectory {
  constructor(readonly path: string) {}

  get isThere(): boolean {
    return existsSync(this.file(TlsFile.AUTHORITY)) || hasDatabase(this.path);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Makes the directory, with the owner of the one above it. */
  make(mode: number): void {
    mkdirSync(dirname(this.path), { recursive: true, mode });
    makeOwnDirectory(this.path, mode, this.owner());
  }

  write(name: string, bytes: Uint8Array, mode: number): void {
    replaceOwnFile(this.file(name), bytes, mode, this.owner());
  }

  /** Root makes files for the user who runs the daemon: who owns the directory of the configuration. */
  private owner(): FileOwner | null {
    return process.geteuid?.() === 0 ? lstatSync(dirname(this.path)) : null;
  }

  private newKey(name: string, mode = KEY_MODE): void {
    this.write(name, tool('openssl', ['genpkey', ...RSA]), mode);
  }

  /** Says to pcs that there are keys here. */
  mark(): void {
    this.write(
      NSS_MARK,
      Buffer.from('# The keys beside this file are in PEM: nothing is here for NSS.\n'),
      PUBLIC_MODE,
    );
  }

  makeAuthority(subject: string): void {
    this.newKey(TlsFile.AUTHORITY_KEY);
    const extensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
    const certificate = tool('openssl', [
      ...['req', '-x509', '-new', '-sha256', '-key', this.file(TlsFile.AUTHORITY_KEY), '-days', VALID_DAYS],
      ...['-subj', subjectOf(subject), '-set_serial', this.nextSerial(), '-config', '/dev/null'],
      ...extensions.flatMap((extension) => ['-addext', extension]),
    ]);
    this.write(TlsFile.AUTHORITY, certificate, PUBLIC_MODE);
  }

  /** A key and its certificate, signed here. */
  makeServer(subject: string): void {
    this.newKey(TlsFile.KEY, DAEMON_KEY_MODE);
    this.write(TlsFile.CERTIFICATE, this.sign(this.requestOf(TlsFile.KEY, subject)), PUBLIC_MODE);
  }

  /** A new key and the request (DER, as stock's tools read and write it) for its certificate. */
  makeRequest(subject: string): Buffer {
    this.newKey(REQUEST_KEY);
    return this.requestOf(REQUEST_KEY, subject);
  }

  private requestOf(key: string, subject: string): Buffer {
    const how = [
      '-new',
      '-utf8',
      '-sha256',
      '-key',
      this.file(key),
      '-subj',
      subjectOf(subject),
      '-config',
      '/dev/null',
    ];
    return tool('openssl', ['req', ...how, '-outform', 'DER']);
  }

  /** The certificate, PEM, for a request in either form. */
  sign(request: Buffer): Buffer {
    const authority = ['-CA', this.file(TlsFile.AUTHORITY), '-CAkey', this.file(TlsFile.AUTHORITY_KEY)];
    const how = ['-req', '-inform', formOf(request), '-sha256', '-days', VALID_DAYS, '-set_serial', this.nextSerial()];
    return tool('openssl', ['x509', ...how, ...authority], request);
  }

  private nextSerial(): string {
    const text = Buffer.from(readOwnFile(this.file(SERIAL_FILE), 32) ?? [])
      .toString('latin1')
      .trim();
    const serial = String((/^\d{1,9}$/.test(text) ? Number(text) : FIRST_SERIAL) + 1);
    this.write(SERIAL_FILE, Buffer.from(`${serial}\n`), KEY_MODE);
    return serial;
  }

  importAuthority(bytes: Buffer): void {
    this.write(TlsFile.AUTHORITY, certificatePem(bytes), PUBLIC_MODE);
  }

  /** The certificate for the key of the last request; PKCS #12 of both, without a password, for the other nodes. */
  importSigned(bytes: Buffer, nickname: string): Buffer {
    const certificate = certificatePem(bytes);
    const name = existsSync(this.file(REQUEST_KEY)) ? REQUEST_KEY : TlsFile.KEY;
    const key = readOwnFile(this.file(name), INPUT_BYTES_MAX);
    if (key === null) throw new KeyProblem(`${this.path} has no key of a request. Make one with -r first`);
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(Buffer.from(key))))
      throw new KeyProblem('The certificate is not for the key of the last request');
    this.write(TlsFile.KEY, key, KEY_MODE);
    this.write(TlsFile.CERTIFICATE, certificate, PUBLIC_MODE);
    if (name === REQUEST_KEY) removeOwnFile(this.file(REQUEST_KEY));
    const parts = [
      '-inkey',
      this.file(TlsFile.KEY),
      '-in',
      this.file(TlsFile.CERTIFICATE),
      '-certfile',
      this.file(TlsFile.AUTHORITY),
    ];
    // What NSS of any age reads.
    const how = ['-certpbe', 'AES-128-CBC', '-keypbe', 'AES-128-CBC', '-macalg', 'sha1'];
    return tool('openssl', ['pkcs12', '-export', ...parts, ...how, '-name', nickname, '-passout', 'pass:']);
  }

  importPkcs12(bytes: Buffer): void {
    const read = (...what: readonly string[]): Buffer => {
      const args = ['pkcs12', '-passin', 'pass:', '-nodes', ...what];
      try {
        return tool('openssl', args, bytes);
      } catch {
        return tool('openssl', [...args, '-legacy'], bytes); // as older tools of NSS write it
      }
    };
    const certificate = certificatePem(read('-clcerts', '-nokeys'));
    // By OpenSSL's command: Node.js gives keys out as strings, which nobody can wipe.
    this.write(TlsFile.KEY, tool('openssl', ['pkey'], read('-nocerts')), KEY_MODE);
    this.write(TlsFile.CERTIFICATE, certificate, PUBLIC_MODE);
  }
}

/** A file that somebody brought. */
export function readInput(path: string): Buffer {
  const bytes = readOwnFile(path, INPUT_BYTES_MAX);
  if (bytes === null) throw new KeyProblem(`Can't open certificate file ${path}`);
  return Buffer.from(bytes);
}

const formOf = (bytes: Buffer): string => (bytes.includes('-----BEGIN ') ? 'PEM' : 'DER');

/** The first certificate of a file: PEM with or without text around it, or DER. */
function certificatePem(bytes: Buffer): Buffer {
  const [pem] = certificatesIn(bytes);
  try {
    return Buffer.from(new X509Certificate(pem ?? bytes).toString());
  } catch (error) {
    throw new KeyProblem('That is no certificate', { cause: error });
  }
}

/** The certificate in the form that stock's tools read. */
export const certificateDer = (pem: Buffer): Buffer => new X509Certificate(pem).raw;

/** For OpenSSL: a common name in which nothing means anything. */
const subjectOf = (name: string): string => `/CN=${name.replace(/[/\\+=,]/g, '\\$&')}`;
