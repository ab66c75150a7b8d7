import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind, LabNode } from './lab/node.ts';
import { type Running, sleep, until } from './lab/process.ts';

/**
 * Where lines go: the same configuration, the same changes by cmap and reload, on stock and on ours. Lines that both have, by subsystem
 * and level, are looked for in every log file, in syslog with its facility and level, and on standard error.
 */
const LINES: readonly (readonly [name: string, text: string])[] = [
  ['MAIN error', 'Forcing into GATHER state'],
  ['MAIN notice', 'Completed service synchronization, ready to provide service.'],
  ['TOTEM notice', 'A new membership ('],
  ['TOTEM debug', 'entering GATHER state from'],
  ['QUORUM notice', 'Members[1]: 1'],
];

/** Prints each datagram of the host's logger on one line. */
const SYSLOG = `
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('/dev/log')
os.chmod('/dev/log', 0o666)
print('ready', flush=True)
while True: print(s.recv(65536).rstrip(b'\\0').decode().replace('\\n', ' '), flush=True)
`;

interface Case {
  readonly name: string;
  /** Lines of `logging {}` behind those that the lab always has. */
  readonly logging: readonly string[];
  /** Part of the short selection. */
  readonly often?: boolean;
  /** Stock closes the file that all share, and nothing is written at all any more. */
  readonly stockLoses?: boolean;
  readonly after?: (node: LabNode) => Promise<void>;
}

const subsys = (name: string, ...lines: readonly string[]): string =>
  ['logger_subsys {', `  subsys: ${name}`, ...lines.map((line) => `  ${line}`), '}'].join('\n');
const LOG = 'to_logfile: yes\nlogfile: /var/log/corosync/corosync.log';
const OWN = 'logfile: /var/log/corosync/own.log';
const set = async (node: LabNode, key: string, value: string): Promise<void> => {
  await node.tool('corosync-cmapctl', '-s', key, 'str', value);
};

const CASES: readonly Case[] = [
  { name: 'a file of its own', often: true, logging: [LOG, 'to_syslog: yes', subsys('TOTEM', OWN)] },
  { name: 'its own file only', logging: ['to_logfile: no', 'to_stderr: yes', subsys('TOTEM', OWN, 'to_logfile: yes')] },
  { name: 'its own file switched off', logging: [LOG, subsys('TOTEM', OWN, 'to_logfile: no')] },
  { name: 'no file for one, in a shared file', stockLoses: true, logging: [LOG, subsys('TOTEM', 'to_logfile: no')] },
  { name: 'a shared file that is off', logging: [LOG, 'to_logfile: no', subsys('TOTEM', 'to_logfile: yes')] },
  {
    name: 'to_stderr and to_syslog of one',
    logging: [
      LOG,
      'to_stderr: yes',
      'to_syslog: yes',
      subsys('TOTEM', 'to_stderr: no', 'to_syslog: no'),
      subsys('QUORUM', 'to_stderr: yes'),
    ],
  },
  {
    name: 'to_syslog of one alone',
    logging: [LOG, 'to_syslog: no', 'to_stderr: no', subsys('TOTEM', 'to_stderr: yes', 'to_syslog: yes')],
  },
  {
    name: 'levels',
    logging: [
      LOG,
      'to_syslog: yes',
      subsys('TOTEM', 'syslog_priority: err', 'logfile_priority: debug'),
      subsys('QUORUM', 'logfile_priority: warning'),
    ],
  },
  { name: 'debug of one', logging: [LOG, 'to_syslog: yes', subsys('TOTEM', 'debug: on')] },
  { name: 'debug of all but one', logging: [LOG, 'debug: on', subsys('TOTEM', 'logfile_priority: info')] },
  { name: 'facility', logging: ['to_syslog: yes', 'syslog_facility: local3'] },
  {
    name: 'facility of a block',
    often: true,
    logging: [
      'to_syslog: yes',
      'syslog_facility: local3',
      subsys('TOTEM', 'syslog_facility: local5'),
      subsys('QUORUM', 'debug: off'),
    ],
  },
  {
    name: 'facility of the last block',
    logging: ['to_syslog: yes', subsys('CFG', 'debug: off'), subsys('TOTEM', 'syslog_facility: local5')],
  },
  { name: 'to_file alone', logging: ['to_file: yes\nlogfile: /var/log/corosync/corosync.log'] },
  {
    name: 'by cmap',
    often: true,
    logging: [LOG, 'to_syslog: yes', subsys('TOTEM', 'debug: off')],
    after: async (node) => {
      await set(node, 'logging.logger_subsys.TOTEM.logfile', '/var/log/corosync/own.log');
      await set(node, 'logging.logger_subsys.TOTEM.debug', 'on');
      await set(node, 'logging.syslog_priority', 'err');
    },
  },
  {
    name: 'by reload',
    logging: [LOG],
    after: async (node) => {
      const more = `${LOG}\nto_syslog: yes\n${subsys('TOTEM', OWN)}\n${subsys('CFG', 'logfile_priority: err')}`;
      node.writeConf(readFileSync(node.confFile, 'utf8').replace(LOG.split('\n').join('\n  '), more));
      await node.tool('corosync-cfgtool', '-R');
    },
  },
  {
    name: 'by reload, a file that cannot be opened',
    often: true,
    logging: [LOG],
    after: async (node) => {
      node.writeConf(readFileSync(node.confFile, 'utf8').replace('corosync.log', 'gone/x.log'));
      const { code } = await node.tool('corosync-cfgtool', '-R');
      if (code !== 0) throw new Error(`${node.kind} refuses the reload: ${code}`);
    },
  },
  {
    name: 'by cmap, a file that cannot be opened',
    logging: [LOG],
    after: (node) => set(node, 'logging.logfile', '/var/log/corosync/gone/x.log'),
  },
];

async function outcome(kind: DaemonKind, { logging, after }: Case): Promise<readonly string[]> {
  const lab = await Lab.create({ transport: 'udpu', tokenMs: 1000, logging: [] }, [kind]);
  try {
    const node = lab.node(1);
    const syslog = await prepare(node, logging);
    node.startDaemon();
    await lab.waitRing([node]);
    if (after !== undefined) {
      await after(node);
      await sleep(300);
    }
    const before = await collect(node, syslog);
    await node.tool('corosync-cmapctl', '-s', 'runtime.force_gather', 'str', 'yes');
    await sleep(1200);
    const all = await collect(node, syslog);
    return LINES.map(([name, text]) => {
      const places = [...all].flatMap(([place, content]) => {
        const fresh = content
          .slice(before.get(place)?.length ?? 0)
          .split('\n')
          .filter((line) => line.includes(text));
        const priorities = place === 'syslog' ? new Set(fresh.map((line) => /^<\d+>/.exec(line)?.[0])) : [''];
        return fresh.length === 0 ? [] : [...priorities].map((priority) => `${place}${priority ?? ''}`);
      });
      return `${name}: ${places.sort().join(' ')}`;
    });
  } finally {
    await lab.close();
  }
}

/** A /dev of its own with a logger in it, and the configuration. */
async function prepare(node: LabNode, logging: readonly string[]): Promise<Running> {
  const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
  const binds = devices.map((name) => `touch $d/${name} && mount --bind /dev/${name} $d/${name}`);
  const script = `d=/run/dev; mkdir $d && mount -t tmpfs tmpfs $d && ${binds.join(' && ')} && mkdir $d/shm && mount --bind /dev/shm $d/shm && mount --move $d /dev`;
  await node.space.shell(script);
  const syslog = node.space.start('python3', ['-c', SYSLOG]);
  await syslog.waitFor(/ready/);
  const text = readFileSync(node.confFile, 'utf8').replace(/logging \{[^}]*\}/, () => {
    const lines = ['to_stderr: no', 'to_syslog: no', ...logging].join('\n').split('\n');
    // A key given twice counts the last time.
    return `logging {\n${lines.map((line) => `  ${line}`).join('\n')}\n}`;
  });
  node.writeConf(text);
  return syslog;
}

async function collect(node: LabNode, syslog: Running): Promise<Map<string, string>> {
  const directory = join(node.space.directory, 'log/corosync');
  const found = new Map<string, string>();
  for (const name of readdirSync(directory)) found.set(name, readFileSync(join(directory, name), 'utf8'));
  return found.set('syslog', syslog.output).set('stderr', node.daemon?.errors ?? '');
}

for (const one of CASES) {
  t.test(one.name, { skip: skipReason(['ours', 'stock'], one.often !== true, one.name) }, async (t) => {
    t.setTimeout(120_000);
    const [ours, stock] = await Promise.all([outcome('ours', one), outcome('stock', one)]);
    if (one.stockLoses === true)
      t.ok(ours.filter((line) => line.endsWith('corosync.log')).length >= 4, ours.join(' | '));
    else t.same(ours, stock);
    t.comment(stock.join(' | '));
  });
}

/**
 * Values that a start refuses. Stock accepts a reload with one, without a word, acts on what it has read before it, and may close the log file
 * for good; ours reports it, and lines go on where they went.
 */
const WRONG = [
  'debug: perhaps',
  'to_syslog: perhaps',
  'timestamp: sometimes',
  'syslog_facility: local9',
  'logfile_priority: loud',
  subsys('TOTEM', 'debug: perhaps'),
];
t.test(
  'wrong values of a reload and of a client',
  { skip: skipReason(['ours', 'stock'], false, 'wrong') },
  async (t) => {
    t.setTimeout(120_000);
    const lab = await Lab.create({ transport: 'udpu', tokenMs: 1000 }, ['ours', 'stock']);
    t.teardown(() => lab.close());
    for (const node of lab.nodes) node.startDaemon();
    await lab.waitRing(lab.nodes);
    const [ours, stock] = lab.nodes;
    for (const [at, wrong] of WRONG.entries()) {
      const tokenMs = 1100 + 100 * at;
      lab.writeConfs({ tokenMs, logging: [wrong] });
      const { code, stdout, stderr } = await stock!.tool('corosync-cfgtool', '-R');
      t.equal(code, 0, `${wrong}: accepted by both ${stdout}${stderr}`);
      await until('the rest of the file acts', async () => {
        const tokens = await Promise.all(lab.nodes.map((node) => node.cmap('runtime.config.totem.token')));
        return tokens.every((token) => token === String(tokenMs)) ? true : null;
      });
      const key = wrong.includes('subsys') ? 'logger_subsys.TOTEM.debug' : wrong.replace(/:.*/, '');
      t.equal(await ours!.cmap(`logging.${key}`), await stock!.cmap(`logging.${key}`), 'the wrong value is stored');
      const said = /corosync\.conf:\d+:\d+: unknown .*the next start will be refused/g;
      t.equal(ours!.log().match(said)?.length, at + 1, 'and ours says where it is');
    }
    await set(ours!, 'logging.debug', 'never');
    await until('a word about it', () =>
      ours!.log().includes('logging.debug: never: unknown value for debug. This option and those') ? true : null,
    );
    const lines = () => ours!.log().match(/A new membership/g)?.length ?? 0;
    const before = lines();
    await ours!.tool('corosync-cmapctl', '-s', 'runtime.force_gather', 'str', 'yes');
    await until('lines go on', () => (lines() > before ? true : null));
  },
);

t.test(
  'log and state directories that are links, and a link in uidgid.d',
  { skip: skipReason(['ours', 'stock']) },
  async (t) => {
    for (const kind of ['ours', 'stock'] as const) {
      const lab = await Lab.create(
        { transport: 'udpu', tokenMs: 1000, system: ['state_dir: /var/log/state'], extra: [] },
        [kind],
      );
      try {
        const node = lab.node(1);
        const { directory } = node.space;
        mkdirSync(join(directory, 'log/real'));
        mkdirSync(join(directory, 'log/realstate'));
        await node.space.shell(
          'rmdir /var/log/corosync && ln -s real /var/log/corosync && ln -s /var/log/realstate /var/log/state',
        );
        mkdirSync(join(directory, 'etc/uidgid.d'));
        await node.space.shell(
          "printf 'uidgid {\\n uid: 65534\\n}\\n' > /etc/corosync/granted && ln -s ../granted /etc/corosync/uidgid.d/link",
        );
        symlinkSync('nowhere', join(directory, 'etc/uidgid.d/broken'));
        node.startDaemon();
        await lab.waitRing([node]);
        t.equal(await node.cmap('uidgid.config.uid.65534'), '1', `${kind}: the link is read`);
        t.ok(existsSync(join(directory, 'log/real/corosync.log')), `${kind}: log`);
        t.ok(existsSync(join(directory, 'log/realstate/ringid_1')), `${kind}: state`);
        await until('a dump', async () => {
          await node.tool('corosync-cmapctl', '-s', 'runtime.blackbox.dump_flight_data', 'str', 'yes');
          return readdirSync(join(directory, 'log/realstate')).includes('fdata') ? true : null;
        });
      } finally {
        await lab.close();
      }
    }
  },
);
