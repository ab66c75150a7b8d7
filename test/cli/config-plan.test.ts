import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { planConfiguration } from '../../src/cli/config-plan.ts';
import { nodeEnvironment } from '../../src/config/environment.ts';
import { Icmap } from '../../src/config/icmap/index.ts';
import { loadConfiguration } from '../../src/config/load.ts';

const conf = (totem: string, rest = '', second = '127.0.0.2'): string => `totem {
  version: 2
  cluster_name: plan
  ${totem}
}
nodelist {
  node {
    nodeid: 1
    name: n1
    ring0_addr: 127.0.0.1
  }
  node {
    nodeid: 2
    name: n2
    ring0_addr: ${second}
  }
}
${rest}
`;

/** The map of a daemon that was started with `before`, and the plan for `after`. */
async function plan(t: Pick<Test, 'testdir'>, before: string, after: string) {
  const directory = t.testdir({});
  const [first, second] = [join(directory, 'first.conf'), join(directory, 'second.conf')];
  writeFileSync(first, before);
  writeFileSync(second, after);
  const environment = {
    ...nodeEnvironment(),
    hostname: () => 'n1',
    enterDirectory: async () => {},
    openForAppend: async () => {},
  };
  const loaded = await loadConfiguration({ file: first }, { purpose: 'start', environment });
  if (!loaded.ok) throw loaded.errors[0];
  const live = new Icmap();
  live.copyFrom(loaded.map);
  return planConfiguration(second, 'n1', live);
}

const lines = ({ changes }: Awaited<ReturnType<typeof plan>>): string[] =>
  changes.map(({ effect, text }) => `${effect}: ${text}`);

t.test('nothing changes with the file that is in force', async (t) => {
  const same = await plan(t, conf('token: 3000'), conf('token: 3000'));
  t.same(lines(same), []);
  t.same(same.refusals, []);
});

t.test('each change, and when it acts', async (t) => {
  const result = await plan(
    t,
    conf('token: 3000'),
    conf('token: 5000\n  transport: udpu', 'logging {\n  debug: on\n}\nquorum {\n  wait_for_all: 1\n}'),
  );
  const found = lines(result);
  t.ok(found.includes('at once: totem.token: 3000 -> 5000'), found.join('\n'));
  t.ok(found.includes('at once: logging.debug: (unset) -> on'));
  t.ok(found.includes('next start: quorum.wait_for_all: (unset) -> 1'));
  t.ok(found.includes('never while it runs: totem.transport: keeps its value'));
});

t.test('what would be refused', async (t) => {
  const moved = await plan(t, conf('token: 3000'), conf('token: 3000', '', '127.0.0.3'));
  t.match(moved.refusals, [/address of node 2 on link 0 cannot change from 127\.0\.0\.2 to 127\.0\.0\.3/]);
  const broken = await plan(t, conf('token: 3000'), conf('token: nonsense'));
  t.equal(broken.refusals.length, 1);
  t.equal(broken.configuration, null);
  const secret = await plan(
    t,
    conf('token: 3000'),
    conf(`crypto_cipher: aes256\n  crypto_hash: sha256\n  key: ${'s'.repeat(1024)}`),
  );
  t.notMatch(JSON.stringify(secret), /sss/);
});
