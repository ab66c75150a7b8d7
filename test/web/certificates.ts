import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Throw-away certificates of tests: made when a test begins, never kept. */
export const noOpenssl = existsSync('/usr/bin/openssl') ? false : 'openssl is not installed';

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** A self-signed certificate, which is its own authority. */
export function makeCertificate(
  directory: string,
  name: string,
  more: readonly string[] = [],
  names = 'IP:127.0.0.1,DNS:localhost',
): CertificateFiles {
  const [certificate, key] = [join(directory, `${name}.crt`), join(directory, `${name}.key`)];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];
  const who = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`];
  const files = ['-keyout', key, '-out', certificate];
  execFileSync('openssl', ['req', '-x509', ...curve, ...who, ...files, '-days', '2', ...more], { stdio: 'pipe' });
  chmodSync(key, 0o400);
  return { certificate, key };
}

export const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(path));
