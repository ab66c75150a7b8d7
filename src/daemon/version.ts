import { readFileSync } from 'node:fs';
import { COROSYNC_VERSION } from '../lib/corosync-version.ts';

const packageFile = new URL('../../../package.json', import.meta.url);

/** Version of this project. */
export function rondoVersion(): string {
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  return version;
}

/** The first line is parsed by tools: they take what stands between the quotes (config-and-tools.md 3.1). */
export function versionText(): string {
  return `Corosync Cluster Engine, version '${COROSYNC_VERSION}'
Rondo ${rondoVersion()}, on Node.js ${process.versions.node}

Built-in features: systemd vqsim nozzle
Available crypto models: nss openssl
Available crypto ciphers: none aes128 aes192 aes256
Available crypto hashes: none md5 sha1 sha256 sha384 sha512
`;
}
