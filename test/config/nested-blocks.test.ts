import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { nodeEnvironment } from '../../src/config/environment.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { cmapTypeName, cmapValueText } from '../../src/lib/cmap-value.ts';
import { isConfiguration, runStock, STOCK_ADDRESSES, stockUnavailable } from './stock-daemon.ts';

/** A section inside of one that has no sections of its own, beside a stock daemon: which keys come of it, or that it does not start. */
const udp = (member: string): string => `totem {
version: 2
transport: udp
interface {
bindnetaddr: 10.9.0.0
mcastaddr: 239.1.2.3
mcastport: 5405
member {
memberaddr: 10.9.0.1
${member}
}
}
}
`;
const knet = `totem {
version: 2
transport: knet
}
nodelist {
node {
nodeid: 1
ring0_addr: 10.9.0.1
}
}
`;
const FILES: Readonly<Record<string, string>> = {
  'in member': udp('more {\nmemberaddr: 10.9.0.2\n}'),
  'in member, twice': udp('more {\nand {\nmemberaddr: 10.9.0.2\n}\n}'),
  'in member, another key': udp('more {\nother: 1\n}'),
  'in uidgid': `${knet}uidgid {\nuid: 65534\nmore {\ngid: 65534\n}\n}\n`,
  'in uidgid, another key': `${knet}uidgid {\nuid: 65534\nmore {\nother: 1\n}\n}\n`,
  'in quorum': `${knet}quorum {\nmore {\nother: 1\n}\n}\n`,
  'of Corosync 1': `${knet}service {\nname: pacemaker\nver: 0\n}\naisexec {\nuser: root\n}\namf {\nmode: disabled\n}\n`,
};

t.test('sections in sections', { skip: stockUnavailable, timeout: 120_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'nested-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'corosync.conf');
  const environment = {
    ...nodeEnvironment(),
    hostname: () => 'live-keys-host',
    localAddresses: () => STOCK_ADDRESSES,
    enterDirectory: async () => {},
  };
  for (const [name, text] of Object.entries(FILES)) {
    writeFileSync(file, `${text}logging {\nto_syslog: no\n}\n`);
    const stock = runStock(file);
    const result = await loadConfiguration({ file }, { purpose: 'start', environment });
    t.equal(result.ok, stock.keys.length > 0, `${name}: ${result.ok ? 'starts' : result.errors[0]?.message}`);
    if (!result.ok) {
      t.ok(stock.log.includes(result.errors[0]?.stockMessage ?? '-'), `the reason of stock: ${stock.log}`);
      continue;
    }
    const ours = [...result.map.entries('')]
      .map(({ key, value }) => `${key} (${cmapTypeName(value.type)}) = ${cmapValueText(value)}`)
      .filter(isConfiguration);
    t.same(ours.sort(), [...stock.keys].sort(), `${name}: keys`);
  }
});
