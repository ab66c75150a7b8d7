import { readFileSync } from 'node:fs';
import { CRYPTO_CIPHER_NAMES, CRYPTO_HASHES } from '../config/options/totem.ts';
import { COROSYNC_VERSION } from '../lib/corosync-version.ts';
import { COMPRESSION_MODELS } from '../lib/knet-facts.ts';
import { loadCompression } from '../os/compression.ts';

const packageFile = new URL('../../../package.json', import.meta.url);

/** Version of this project. */
export function rondoVersion(): string {
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  return version;
}

/** What of stock's features there is; how a binary was linked is Node's. */
export const FEATURES = 'dbus monitoring watchdog augeas systemd xmlconf vqsim nozzle snmp';

/** Of all that kronosnet has, those whose library is installed: the others cannot be configured here. */
const compressionModels = (): readonly string[] =>
  COMPRESSION_MODELS.filter((model) => {
    if (model === 'none') return false;
    try {
      loadCompression(model);
      return true;
    } catch {
      return false;
    }
  });

/** One spelling of each. */
const ciphers = CRYPTO_CIPHER_NAMES.filter((name) => /^(none|aes\d+(-ctr)?)$/.test(name));

/** As stock's, with the lines of the next release. The first line is parsed by tools: they take what stands between the quotes (config-and-tools.md 3.1). */
export function versionText(): string {
  return `Corosync Cluster Engine, version '${COROSYNC_VERSION}'
Rondo ${rondoVersion()}, on Node.js ${process.versions.node}

Built-in features: ${FEATURES}
Available crypto models: nss openssl
Available crypto ciphers: ${ciphers.join(' ')}
Available crypto hashes: ${CRYPTO_HASHES.join(' ')}
Available compression models: ${compressionModels().join(' ')}
`;
}
