import { parseListenAddress } from '../../lib/listen-address.ts';
import type { Position } from '../errors.ts';
import type { Icmap } from '../icmap/index.ts';
import type { Findings } from './findings.ts';

const CERTIFICATE = 'system.http_certificate_file';
const KEY = 'system.http_key_file';

/** Metrics and page that the daemon will not serve: it goes on without them, so only the check and the log say it. */
export function lintWeb(map: Icmap, positions: ReadonlyMap<string, Position>, findings: Findings): void {
  const add = (key: string, message: string, hint: string): void =>
    findings.add('web', positions.get(key), key, message, hint);
  for (const key of ['system.metrics', 'system.dashboard']) {
    const text = map.getString(key);
    if (text === null) continue;
    const address = parseListenAddress(text);
    if (typeof address === 'string') continue; // values.ts says so
    if (address.kind === 'tcp' && !address.loopback && !map.has('system.http_token_file') && !map.has(CERTIFICATE))
      add(
        key,
        `${text} is not served: everybody in the network could read it`,
        'Add http_token_file, or http_certificate_file and http_key_file, or write a loopback address',
      );
  }
  if (map.has(CERTIFICATE) === map.has(KEY)) return;
  const [given, missing] = map.has(KEY) ? [KEY, CERTIFICATE] : [CERTIFICATE, KEY];
  add(given, `Metrics and page are not served: ${missing} is missing`, 'Give both files, or none');
}
