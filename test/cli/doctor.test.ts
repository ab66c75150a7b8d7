import { readFileSync } from 'node:fs';
import t from 'tap';
import { type ArbiterFacts, arbiterFindings, type ServerProbe } from '../../src/cli/doctor/arbiter.ts';
import { inOrder } from '../../src/cli/doctor/finding.ts';
import { blockingRules, parseRuleset } from '../../src/cli/doctor/firewall.ts';
import { type RingFacts, ringFindings, rotationWithoutHold, type VoteFacts } from '../../src/cli/doctor/live.ts';
import { type MachineFacts, machineFindings } from '../../src/cli/doctor/preflight.ts';
import { matrixLines } from '../../src/cli/matrix.ts';
import type { ConnectivityView, SeenLink } from '../../src/lib/connectivity.ts';

/** A machine on which nothing is wrong. */
const MACHINE: MachineFacts = {
  file: '/etc/corosync/corosync.conf',
  errors: [],
  warnings: [],
  unresolved: [],
  ports: [{ link: 0, address: '10.0.0.1', port: 5405, taken: true }],
  peers: ['10.0.0.2', '10.0.0.3'],
  netMtu: null,
  interfaces: [{ link: 0, name: 'eth0', mtu: 1500 }],
  ruleset: { chains: [], rules: [] },
  shm: { freeBytes: 2 ** 30, totalBytes: 2 ** 30 },
  clockSynchronised: true,
  realtime: { wanted: true, permitted: true },
  descriptors: 65_536,
  daemon: { state: 'reachable' },
  nodeVersion: '20.20.2',
};

const machineCodes = (facts: Partial<MachineFacts>): string[] =>
  machineFindings({ ...MACHINE, ...facts }).map(({ code, severity }) => `${severity} ${code}`);

t.test('a machine on which nothing is wrong has no findings, and what could not be seen is none', async (t) => {
  t.same(machineCodes({}), []);
  t.same(machineCodes({ ruleset: null, shm: null, clockSynchronised: null, realtime: null, descriptors: null }), []);
});

t.test('each thing that can be wrong with a machine', async (t) => {
  const problem = { text: 'corosync.conf:3:5: bad', hint: 'Do this', isKey: false };
  t.same(machineCodes({ errors: [problem] }), ['error config.unusable']);
  t.same(machineCodes({ errors: [{ ...problem, isKey: true }] }), ['error key.missing']);
  t.same(machineCodes({ warnings: [problem] }), ['warning config.warning']);
  t.match(machineFindings({ ...MACHINE, warnings: [problem] })[0], {
    cause: /takes it as it is/,
    evidence: ['corosync.conf:3:5: bad'],
    mend: `Do this (in ${MACHINE.file}); then: rondo config check ${MACHINE.file}`,
  });
  const silent = { ...problem, hint: '' };
  t.match(machineFindings({ ...MACHINE, errors: [silent] })[0], {
    cause: /ends at once/,
    mend: `Correct ${MACHINE.file}; then: rondo config check ${MACHINE.file}`,
  });
  t.same(machineCodes({ warnings: [{ ...problem, isKey: true }] }), ['warning key.exposed']);
  t.same(machineCodes({ unresolved: ['node9'] }), ['error name.unresolved']);
  t.same(machineCodes({ daemon: { state: 'stopped' } }), ['error port.taken', 'info daemon.stopped']);
  t.same(machineCodes({ daemon: { state: 'stopped' }, ports: [] }), ['info daemon.stopped']);
  t.same(machineCodes({ netMtu: 9000 }), ['error mtu.small']);
  t.same(machineCodes({ shm: { freeBytes: 2 ** 20, totalBytes: 2 ** 26 } }), ['error shm.full']);
  t.same(machineCodes({ shm: { freeBytes: 2 ** 25, totalBytes: 2 ** 26 } }), ['warning shm.small']);
  t.same(machineCodes({ clockSynchronised: false }), ['info clock.unsynchronised']);
  t.same(machineCodes({ realtime: { wanted: true, permitted: false } }), ['warning limits.realtime']);
  t.same(machineCodes({ realtime: { wanted: false, permitted: false } }), []);
  t.same(machineCodes({ descriptors: 1000 }), ['warning limits.descriptors']);
  t.same(machineCodes({ descriptors: 100 }), ['error limits.descriptors']);
  t.same(machineCodes({ nodeVersion: '18.1.0' }), ['error node.version']);
  t.same(machineCodes({ daemon: { state: 'silent', pid: 7, program: 'corosync' } }), ['error daemon.other']);
  t.same(machineCodes({ daemon: { state: 'unreachable', reason: 'no space' } }), ['error daemon.unreachable']);
});

const nft = (...items: readonly unknown[]) => parseRuleset(JSON.stringify({ nftables: [{ metainfo: {} }, ...items] }))!;
const chain = (policy: string, hook = 'input') => ({
  chain: { family: 'inet', table: 'f', name: 'in', hook, prio: 0, policy },
});
const rule = (...expr: readonly unknown[]) => ({ rule: { family: 'inet', table: 'f', chain: 'in', expr } });
const match = (protocol: string, field: string, right: unknown) => ({
  match: { op: '==', left: { payload: { protocol, field } }, right },
});
const established = { match: { op: 'in', left: { ct: { key: 'state' } }, right: ['established'] } };

t.test('a firewall that keeps the ring out is recognized, and one that lets it through is not accused', async (t) => {
  const blocked = (...items: readonly unknown[]): number => blockingRules(nft(...items), [5405], ['10.0.0.2']).length;
  t.equal(blocked(chain('accept')), 0);
  t.equal(blocked(chain('drop'), rule(established, { accept: null })), 1);
  t.equal(blocked(chain('drop', 'forward')), 0, 'not about this host');
  t.equal(blocked(chain('drop'), rule(match('udp', 'dport', 5405), { accept: null })), 0);
  t.equal(blocked(chain('drop'), rule(match('udp', 'dport', { range: [5404, 5412] }), { accept: null })), 0);
  t.equal(blocked(chain('drop'), rule(match('udp', 'dport', { set: [22, 5405] }), { accept: null })), 0);
  t.equal(blocked(chain('drop'), rule(match('tcp', 'dport', 22), { accept: null })), 1);
  t.equal(blocked(chain('drop'), rule({ jump: { target: 'other' } })), 0, 'another chain decides: nothing is said');
  t.equal(blocked(chain('accept'), rule(match('udp', 'dport', 5405), { counter: {} }, { drop: null })), 1);
  t.equal(blocked(chain('accept', 'output'), rule(match('ip', 'daddr', '10.0.0.2'), { drop: null })), 1);
  t.equal(blocked(chain('accept'), rule(match('ip', 'saddr', '10.9.9.9'), { drop: null })), 0);
  t.equal(blocked(chain('accept'), rule({ reject: null })), 1, 'at the end of the chain');
  t.equal(parseRuleset('nonsense'), null);
  t.equal(parseRuleset('{}'), null);
  t.same(machineCodes({ ruleset: nft(chain('drop')) }), ['error firewall.blocks']);
});

const link = (peerId: number, up = true, heard = up): SeenLink => ({
  peerId,
  link: 0,
  up,
  heard,
  latencyUs: 200,
  mtu: 1400,
  downs: 0,
});
const view = (nodeId: number, ...links: readonly SeenLink[]): ConnectivityView => ({
  nodeId,
  configuration: 'a'.repeat(32),
  version: '0.1.0',
  key: 'k',
  keyFile: 'k',
  links,
});
const VIEWS = [view(1, link(2), link(3)), view(2, link(1), link(3)), view(3, link(1), link(2))];
const NOTHING = { retransmitted: 0, received: 1000, tokensLost: 0, gathers: 0 };

/** A ring with which nothing is wrong. */
const RING: RingFacts = {
  localNodeId: 1,
  transport: 'knet',
  crypto: 'aes256/sha256',
  tokenMs: 3000,
  rotationMs: 2,
  longestPause: { ms: 0, atMs: 0 },
  members: [1, 2, 3, 4].map((nodeId) => ({
    nodeId,
    name: `n${nodeId}`,
    member: true,
    departures: 0,
    leftWhy: null,
    addresses: { 0: `10.0.0.${nodeId}` },
  })),
  votes: {
    quorate: true,
    totalVotes: 4,
    quorum: 3,
    voters: [1, 2, 3, 4].map((nodeId) => ({ name: `n${nodeId}`, votes: 1 })),
    waitsForAll: false,
  },
  arbiter: null,
  quorate: true,
  views: VIEWS,
  fileConfiguration: 'a'.repeat(32),
  seconds: 2,
  since: NOTHING,
  total: NOTHING,
  downs: [],
  unauthentic: 0,
  refused: 0,
  clients: [{ name: 'pacemakerd', pid: 7, queued: 3, overload: 0 }],
};

const ringCodes = (facts: Partial<RingFacts>): string[] =>
  ringFindings({ ...RING, ...facts }).map(({ code, severity }) => `${severity} ${code}`);

t.test('a healthy ring has no findings, with stock too, which has no views', async (t) => {
  t.same(ringCodes({}), []);
  t.same(ringCodes({ views: [], votes: null, fileConfiguration: null }), []);
});

t.test('each thing that can be wrong with a quorum device and its arbiter', async (t) => {
  const well: ArbiterFacts = {
    host: 'qnetd',
    port: 5403,
    state: 'connected',
    registered: true,
    alive: true,
    castsVote: true,
    votes: 1,
    totalVotes: 3,
    quorum: 2,
    probe: null,
  };
  const found = (facts: Partial<ArbiterFacts>) => arbiterFindings({ ...well, ...facts });
  t.same(found({}), []);
  t.same(found({ state: 'unseen' }), [], 'who may not ask the device believes votequorum');
  t.match(found({ state: 'absent', registered: false, castsVote: false, totalVotes: 1 }), [
    {
      code: 'device.stopped',
      severity: 'error',
      cause: /1 vote is there, 2 are needed/,
      mend: /start corosync-qdevice/,
    },
  ]);
  t.match(found({ alive: false, castsVote: false, probe: 'listens' }), [
    { code: 'device.stopped', mend: /restart corosync-qdevice/ },
  ]);
  const dead = { state: 'connecting', castsVote: false } as const;
  const mends = {
    refused: /systemctl start corosync-qnetd \(on qnetd\)/,
    silent: /ping -c 3 qnetd/,
    unreachable: /ip route get qnetd/,
    unresolved: /getent hosts qnetd/,
    listens: /journalctl -u corosync-qnetd \(on qnetd\)/,
  } as const;
  for (const [probe, mend] of Object.entries(mends))
    t.match(found({ ...dead, probe: probe as ServerProbe }), [
      { code: 'arbiter.unreachable', severity: 'error', what: /qnetd:5403/, mend },
    ]);
  t.match(found({ castsVote: false, probe: 'listens' }), [{ code: 'arbiter.withholds', severity: 'warning' }]);
  t.match(found({ state: 'unseen', castsVote: false, probe: 'refused' }), [{ code: 'arbiter.unreachable' }]);
  t.same(ringCodes({ arbiter: { ...well, ...dead, probe: 'refused' } }), ['error arbiter.unreachable']);
});

t.test('each thing that can be wrong with a ring', async (t) => {
  const members = RING.members.map((node) => ({ ...node, member: node.nodeId !== 3 }));
  t.same(ringCodes({ members }), ['error node.absent']);
  const votes = RING.votes!;
  t.same(ringCodes({ quorate: false, votes: { ...votes, quorate: false, totalVotes: 1 } }), ['error quorum.lost']);
  t.same(ringCodes({ votes: { ...votes, totalVotes: 3 } }), ['warning quorum.last']);
  const heavy = [
    { name: 'big', votes: 3 },
    { name: 'small', votes: 1 },
  ];
  t.match(ringFindings({ ...RING, votes: { ...votes, voters: heavy } })[0], {
    code: 'quorum.last',
    cause: /Without big/,
  });
  t.same(ringCodes({ views: [view(1, link(2, false, true)), view(2, link(1, false, false))] }), ['error link.one-way']);
  t.same(ringCodes({ views: [view(1, link(2, false)), view(2, link(1, false))] }), ['error link.down']);
  t.same(ringCodes({ members, views: [view(1, link(3, false))] }), ['error node.absent'], 'its links are part of that');
  const absence = (...links: readonly SeenLink[]) =>
    ringFindings({ ...RING, members, views: [view(1, ...links)] })[0]?.evidence;
  t.same(absence(link(3, false)), ['node 3 (n3) is absent, no link to it is up']);
  t.same(absence(link(3, true)), ['node 3 (n3) is absent, although link 0 to it is up: its daemon runs']);
  const known = members.map((node) => ({ ...node, leftWhy: node.member ? null : 'left at T: it took its leave.' }));
  t.same(ringFindings({ ...RING, members: known, views: [view(1, link(3, false))] })[0]?.evidence, [
    'node 3 (n3) is absent, no link to it is up',
    'node 3 (n3) left at T: it took its leave.',
  ]);
  const mend = (facts: Partial<RingFacts>) => ringFindings({ ...RING, ...facts })[0]?.mend;
  t.match(
    mend({ views: [view(1, link(2, false)), view(2, link(1, false))] }),
    /ping -c 3 10\.0\.0\.2 \(on node 1\); the same on node 2 with 10\.0\.0\.1/,
  );
  t.match(
    mend({ downs: [{ peerId: 2, link: 0, since: 1, total: 2 }] }),
    /^ping -i 0\.2 -c 100 10\.0\.0\.2; then: rondo/,
  );
  t.match(mend({ downs: [{ peerId: 2, link: 7, since: 1, total: 2 }] }), /ADDRESS \(of node 2 on link 7\)/);
  t.match(ringFindings({ ...RING, members })[0], { what: '1 of 4 nodes is not in the ring of this node' });
  const lost = (facts: Partial<VoteFacts>) =>
    ringFindings({ ...RING, quorate: false, votes: { ...votes, quorate: false, ...facts } })[0];
  t.match(lost({ totalVotes: 1 }), { cause: /Too few votes/, evidence: ['1 vote is there, 3 are needed'] });
  t.match(lost({ waitsForAll: true }), { cause: /^wait_for_all/ });
  t.same(ringCodes({ views: [view(1, link(2, true, true)), view(2, link(1, false, true))] }), [
    'warning link.one-sided',
  ]);
  const broken = [view(1, link(2), link(3, false)), view(2, link(1), link(3)), view(3, link(1, false), link(2))];
  t.same(ringCodes({ views: broken }), ['error link.down', 'error path.missing']);
  t.same(ringCodes({ downs: [{ peerId: 2, link: 0, since: 1, total: 2 }] }), ['warning link.flapping']);
  t.same(ringCodes({ downs: [{ peerId: 2, link: 0, since: 0, total: 5 }] }), ['warning link.flapping']);
  t.same(
    ringCodes({
      views: [view(1, link(2, false)), view(2, link(1, false))],
      downs: [{ peerId: 2, link: 0, since: 1, total: 2 }],
    }),
    ['error link.down'],
    'went down while we looked, and stays down',
  );
  t.same(ringCodes({ downs: [{ peerId: 2, link: 0, since: 0, total: 1 }] }), [], 'each is born down');
  t.same(ringCodes({ downs: [{ peerId: 2, link: 0, since: 0, total: 3 }] }), [], 'twice is no flapping');
  const restarted = RING.members.map((node) => ({ ...node, departures: node.nodeId === 2 ? 5 : 0 }));
  t.same(
    ringCodes({ members: restarted, downs: [{ peerId: 2, link: 0, since: 1, total: 5 }] }),
    [],
    'a node that was started again takes its links with it',
  );
  t.same(ringCodes({ members: restarted, downs: [{ peerId: 2, link: 0, since: 0, total: 9 }] }), [
    'warning link.flapping',
  ]);
  t.same(ringCodes({ views: [...VIEWS.slice(0, 2), { ...VIEWS[2]!, configuration: 'b' }] }), ['error config.differs']);
  t.same(ringCodes({ fileConfiguration: 'c' }), ['warning config.stale']);
  t.same(ringCodes({ views: [...VIEWS.slice(0, 2), { ...VIEWS[2]!, version: '0.2.0' }] }), ['info version.differs']);
  t.same(ringCodes({ longestPause: { ms: 2000, atMs: 0 } }), ['warning token.small']);
  t.same(ringCodes({ longestPause: { ms: 3500, atMs: 0 } }), ['error token.small']);
  t.same(ringCodes({ rotationMs: 400 }), ['warning token.small']);
  const idle = { meanMs: 190, holdMs: 180, messages: 0, seconds: 2 };
  t.equal(rotationWithoutHold(idle), 10, 'the representative holds the token of an idle ring');
  t.equal(rotationWithoutHold({ ...idle, meanMs: 90 }), 0);
  t.equal(rotationWithoutHold({ ...idle, messages: 5000 }), 190, 'nobody holds it while messages are sent');
  t.equal(rotationWithoutHold({ ...idle, messages: 0, seconds: 0 }), 10);
  t.match(ringFindings({ ...RING, longestPause: { ms: 2000, atMs: 0 } })[0]?.mend, /totem\.token: 4000/);
  t.match(
    ringFindings({ ...RING, longestPause: { ms: 14_000, atMs: 0 } })[0],
    {
      severity: 'error',
      mend: /^Find what stops this node .* find no failure in time$/,
      evidence: [/14000 ms, until 1970/],
    },
    'no timeout is the remedy',
  );
  t.match(ringFindings({ ...RING, rotationMs: 400 })[0]?.mend, /totem\.token: 4000 .* what holds up the nodes/);
  t.same(ringCodes({ since: { ...NOTHING, tokensLost: 1 } }), ['error token.lost']);
  t.same(ringCodes({ since: { ...NOTHING, gathers: 5 } }), ['error ring.gathers']);
  t.same(ringCodes({ since: { ...NOTHING, retransmitted: 50 } }), ['warning ring.retransmits']);
  t.same(ringCodes({ total: { ...NOTHING, retransmitted: 5000 } }), ['info ring.retransmits']);
  t.same(ringCodes({ since: { ...NOTHING, retransmitted: 5 } }), [], 'a few are chance');
  t.same(ringCodes({ unauthentic: 3 }), ['error key.differs']);
  t.same(ringCodes({ crypto: null }), ['warning ring.plain-text']);
  t.same(ringCodes({ refused: 5 }), ['warning queue.full']);
  t.same(ringCodes({ clients: [{ name: 'slow', pid: 9, queued: 5000, overload: 0 }] }), ['warning client.slow']);
});

t.test('every finding says why, what was seen and what to do; the worst comes first', async (t) => {
  const all = inOrder([
    ...machineFindings({ ...MACHINE, clockSynchronised: false, descriptors: 100, daemon: { state: 'stopped' } }),
    ...ringFindings({ ...RING, crypto: null, since: { ...NOTHING, tokensLost: 2 } }),
  ]);
  t.same([...new Set(all.map(({ severity }) => severity))], ['error', 'warning', 'info']);
  for (const { code, what, cause, evidence, mend } of all)
    t.ok(what !== '' && cause !== '' && evidence.length > 0 && mend !== '', code);
});

t.test('the matrix: rows see columns', async (t) => {
  t.same(matrixLines([view(1, link(2, false, true)), view(2, link(1, false, false))]), [
    'SEES  1       2',
    '   1  -       0:DOWN',
    '   2  0:DEAF  -',
    '',
    '! link 0 is one-way: packets of node 2 reach node 1, those of node 1 do not reach node 2',
  ]);
});

t.test('every code is explained in docs/doctor.md', async (t) => {
  const source = readFileSync('src/cli/doctor/finding.ts', 'utf8');
  const codes = [...source.matchAll(/\| '([a-z]+\.[a-z-]+)'/g)].map(([, code]) => code!);
  const manual = readFileSync('docs/doctor.md', 'utf8');
  t.ok(codes.length > 30);
  for (const code of codes) t.ok(manual.includes(`\`${code}\``), code);
});
