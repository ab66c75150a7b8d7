import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { withChanges } from '../../src/bridge/totem-changes.ts';
import { type ConfigEnvironment, nodeEnvironment } from '../../src/config/environment.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import type { LoggingConfig } from '../../src/config/logging-config.ts';
import type { TotemChanges } from '../../src/config/totem-config.ts';
import { ConfigurationChanges } from '../../src/daemon/reloader.ts';
import { NO_FLIGHT_LOG } from '../../src/observe/flight/index.ts';

/** What a client that sets keys, and a reload, change of a running daemon. */
const directory = mkdtempSync(join(tmpdir(), 'changes-'));
const file = join(directory, 'corosync.conf');
t.teardown(() => rmSync(directory, { recursive: true }));
const environment = {
  ...nodeEnvironment(),
  hostname: () => 'changes-host',
  localAddresses: () => ['10.9.0.1'],
  enterDirectory: async () => {},
};
const NODES = [1, 2, 3].map((id) => `node {\nnodeid: ${id}\nname: n${id}\nring0_addr: 10.9.0.${id}\n}`).join('\n');
const text = (logging: string): string => `totem {\nversion: 2\n}\nnodelist {\n${NODES}\n}\nlogging {\n${logging}\n}\n`;

async function running(source: { readonly environment?: ConfigEnvironment; readonly readMsMax?: number } = {}) {
  writeFileSync(file, text('to_syslog: no'));
  const loaded = await loadConfiguration({ file }, { purpose: 'start', environment });
  if (!loaded.ok) throw new Error(loaded.errors[0]?.message);
  const { map } = loaded;
  const logs: string[] = [];
  const logging: LoggingConfig[] = [];
  const changed: TotemChanges[] = [];
  let { totem } = loaded;
  const changes = new ConfigurationChanges(
    {
      cmap: map,
      get totem() {
        return totem;
      },
      reconfigure: (now) => {
        totem = now;
      },
      change: (now) => {
        changed.push(now);
        totem = withChanges(totem, now);
      },
    },
    {
      file,
      stateDirectory: directory,
      environment,
      flight: NO_FLIGHT_LOG,
      log: (level, subsystem, message) => logs.push(`${level} ${subsystem} ${message}`),
      reconfigureLog: (now) => logging.push(now),
      ...source,
    },
  );
  changes.start([]);
  t.teardown(() => changes.stop());
  return { map, logs, logging, changed, changes };
}

t.test('logging: at once by a client, at its end by a reload', async (t) => {
  const { map, logs, logging } = await running();
  map.setString('logging.debug', 'on');
  t.equal(logging.at(-1)?.debug, 'on');
  map.setU8('config.reload_in_progress', 1);
  map.setString('logging.debug', 'off');
  t.equal(logging.at(-1)?.debug, 'on', 'not before its end');
  map.setU8('config.reload_in_progress', 0);
  t.equal(logging.at(-1)?.debug, 'off');
  map.setString('logging.debug', 'nonsense');
  t.equal(logging.at(-1)?.debug, 'off', 'stays');
  t.match(logs.at(-1), /^warning MAIN logging\.debug: nonsense: unknown value for debug\. This option and those/);
});

t.test('a reload with a wrong logging value is accepted, and the log has where it is', async (t) => {
  const { map, logs, changes } = await running();
  writeFileSync(file, text('debug: perhaps\nto_syslog: no'));
  const prepared = await changes.prepare();
  t.ok(prepared.ok);
  if (prepared.ok) prepared.apply();
  t.equal(map.getString('logging.debug'), 'perhaps', 'stored');
  t.match(
    logs.join('\n'),
    /warning CFG \S+corosync\.conf:\d+:\d+: unknown value for debug\. .*next start will be refused/,
  );
});

t.test('totem: what acts goes to the ring once, what does not act goes nowhere', async (t) => {
  const { map, changed } = await running();
  map.setU32('totem.interface.0.knet_pong_count', 5);
  map.setString('totem.link_mode', 'rr');
  await delay(1);
  t.strictSame(changed, []);
  map.setU32('totem.token', 8000);
  map.setU32('totem.token_coefficient', 100);
  await delay(1);
  t.equal(changed.length, 1);
  t.equal(changed[0]?.timings.tokenMs, 8100);
  t.equal(map.getU32('runtime.config.totem.token'), 8100);
  t.equal(map.getU32('runtime.config.totem.interface.0.knet_ping_timeout'), 1825, 'until the next reload');
});

t.test(
  'a file that is never read: refused after a while, and further ones at once, until it is read after all',
  async (t) => {
    let reads = 0;
    let goOn = (): void => {};
    const dead = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const readFile = async (path: string): Promise<Uint8Array> => {
      reads++;
      await dead;
      return await environment.readFile(path);
    };
    const { map, changes } = await running({ environment: { ...environment, readFile }, readMsMax: 20 });
    const refused = {
      ok: false,
      reason: /corosync\.conf, a file or a name in it is still being read\. Nothing was changed/,
    };
    t.match(await changes.prepare(), refused);
    t.match(await changes.prepare(), refused);
    t.equal(reads, 1, 'one thread hangs, not all of them');
    goOn();
    await delay(50);
    writeFileSync(file, text('debug: on'));
    const prepared = await changes.prepare();
    t.equal(prepared.ok, true);
    if (prepared.ok) await prepared.apply();
    t.equal(map.getString('logging.debug'), 'on');
  },
);
