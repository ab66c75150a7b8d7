import type { Icmap } from '../config/icmap/index.ts';
import { type KeyFile, keyFileExposure, readKeyFile } from '../config/key-material.ts';
import { failureText } from '../lib/failure.ts';
import type { ListenAddress } from '../lib/listen-address.ts';
import { WEB_LIMITS } from '../web/limits.ts';
import type { WebAccess } from '../web/server.ts';
import { TlsIdentity } from '../web/tls.ts';
import { BearerToken } from '../web/token.ts';

/** Keys of corosync.conf that say who may read metrics and page, and how. */
const WebKey = {
  TOKEN: 'system.http_token_file',
  CERTIFICATE: 'system.http_certificate_file',
  KEY: 'system.http_key_file',
} as const;
type WebKeyName = (typeof WebKey)[keyof typeof WebKey];

/** A file that cannot serve, with the key that names it. */
export class WebAccessError extends Error {
  override readonly name = 'WebAccessError';
  constructor(
    readonly key: WebKeyName,
    text: string,
  ) {
    super(text);
  }
}

/**
 * Reads the token, the certificate and its key from the files that the configuration names: at the start, and again at each reload. TLS is for
 * addresses of the network; a unix socket needs none. Throws a `WebAccessError`.
 */
export function readWebAccess(cmap: Pick<Icmap, 'getString'>, address: ListenAddress): WebAccess {
  const token = readToken(cmap.getString(WebKey.TOKEN));
  const tls = address.kind === 'unix' ? null : readTls(cmap);
  // With a token no name helps a foreign site: a browser does not send it by itself. Nor with TLS: the certificate is not in that name.
  return {
    rules: { token, localNamesOnly: token === null && tls === null, scheme: tls === null ? 'http' : 'https' },
    tls,
  };
}

/** Whether everybody who reaches the address would read what is served there, in the clear. */
export const isOpenToAll = ({ rules, tls }: WebAccess, address: ListenAddress): boolean =>
  rules.token === null && tls === null && address.kind === 'tcp' && !address.loopback;

function readToken(path: string | null): BearerToken | null {
  if (path === null) return null;
  return withSecret(WebKey.TOKEN, 'token', path, WEB_LIMITS.tokenBytesMax + 2, (bytes) => {
    const token = BearerToken.from(bytes);
    if (typeof token === 'string')
      throw new WebAccessError(WebKey.TOKEN, `the token file ${path} cannot serve: ${token}`);
    return token;
  });
}

function readTls(cmap: Pick<Icmap, 'getString'>): TlsIdentity | null {
  const [certificatePath, keyPath] = [cmap.getString(WebKey.CERTIFICATE), cmap.getString(WebKey.KEY)];
  if (certificatePath === null && keyPath === null) return null;
  if (certificatePath === null) throw new WebAccessError(WebKey.KEY, `${WebKey.CERTIFICATE} is missing beside it`);
  if (keyPath === null) throw new WebAccessError(WebKey.CERTIFICATE, `${WebKey.KEY} is missing beside it`);
  const certificate = read(WebKey.CERTIFICATE, 'certificate', certificatePath, WEB_LIMITS.pemBytesMax).bytes;
  return withSecret(WebKey.KEY, 'key', keyPath, WEB_LIMITS.pemBytesMax, (key) => {
    const identity = TlsIdentity.from(certificate, key, Date.now());
    if (identity instanceof TlsIdentity) return identity;
    const [name, path] =
      identity.file === 'key' ? ([WebKey.KEY, keyPath] as const) : ([WebKey.CERTIFICATE, certificatePath] as const);
    throw new WebAccessError(name, `the ${identity.file} file ${path} cannot serve: ${identity.text}`);
  });
}

/** Hands out the bytes of a file that must be secret, and wipes them afterwards. */
function withSecret<T>(
  key: WebKeyName,
  what: string,
  path: string,
  bytesMax: number,
  use: (bytes: Uint8Array) => T,
): T {
  const file = read(key, what, path, bytesMax);
  try {
    const exposure = keyFileExposure(file, process.geteuid?.() ?? 0);
    if (exposure !== null) throw new WebAccessError(key, `the ${what} file ${path} is not secret: ${exposure}`);
    return use(file.bytes);
  } finally {
    file.bytes.fill(0);
  }
}

function read(key: WebKeyName, what: string, path: string, bytesMax: number): KeyFile {
  let file: KeyFile;
  try {
    file = readKeyFile(path, bytesMax + 1);
  } catch (error) {
    throw new WebAccessError(key, `the ${what} file ${path} cannot be read: ${failureText(error)}`);
  }
  if (file.bytes.length <= bytesMax) return file;
  file.bytes.fill(0);
  throw new WebAccessError(key, `the ${what} file ${path} has more than ${bytesMax} bytes`);
}
