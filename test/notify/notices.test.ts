import t from 'tap';
import { commandEnvironment } from '../../src/notify/command.ts';
import { dbusSignals } from '../../src/notify/dbus.ts';
import { lastAddress, linkOfKey, nodeOfStatusKey } from '../../src/notify/keys.ts';
import {
  boundedNoticeJson,
  type ClusterEvent,
  EVENT_KINDS,
  eventName,
  type Notice,
  noticeJson,
  noticeText,
  PRIORITY,
} from '../../src/notify/notice.ts';
import { Pending } from '../../src/notify/pending.ts';
import { trapOf } from '../../src/notify/snmp.ts';
import { parseTarget, targetWords } from '../../src/notify/target.ts';

const LOST: ClusterEvent = { kind: 'quorum', quorate: false, members: [1] };
const LINK: ClusterEvent = { kind: 'link', peerId: 3, link: 1, up: false };
const NODE: ClusterEvent = { kind: 'node', peerId: 3, name: 'node3', address: '10.81.1.3', joined: true };
const CLIENT: ClusterEvent = { kind: 'client', client: '0x55d.77.tool', connected: true };
const PROCESS: ClusterEvent = { kind: 'process', group: 'a\u001b[2Jb', peerId: 2, pid: 9, joined: true };

function noticeOf(event: ClusterEvent, seq = 1): Notice {
  const name = eventName(event);
  return { id: `1-x-${seq}`, seq, timeMs: 0, host: 'host1', nodeId: 1, name, priority: PRIORITY[name], event };
}

t.test('what is said of an event is what stock says', async (t) => {
  const texts = [
    LOST,
    { ...LOST, quorate: true },
    NODE,
    { ...NODE, joined: false },
    LINK,
    { ...LINK, up: true },
    CLIENT,
  ];
  t.same(
    texts.map((event) => noticeText(noticeOf(event))),
    [
      'host1[1] has lost quorum',
      'host1[1] is now quorate',
      'node3[3] ip:10.81.1.3 joined',
      'node3[3] ip:10.81.1.3 left',
      'host1[1] link 1 to node 3 is now disconnected',
      'host1[1] link 1 to node 3 is now operational',
      'host1[1] 0x55d.77.tool is now connected to corosync',
    ],
  );
  t.equal(noticeText(noticeOf({ ...NODE, name: null, address: null })), 'unknown[3] ip:unknown joined');
});

t.test('the loss of quorum is before everything else, and every kind has its priorities', async (t) => {
  const order = Object.entries(PRIORITY).sort(([, a], [, b]) => b - a);
  t.equal(order[0]?.[0], 'quorum.lost');
  t.equal(new Set(order.map(([, priority]) => priority)).size, order.length);
  t.ok(
    order.every(([, priority]) => priority >= 0 && priority <= 31),
    'what POSIX guarantees',
  );
  t.ok(EVENT_KINDS.every((kind) => order.some(([name]) => name.startsWith(`${kind}.`))));
});

t.test('JSON: names of others are harmless, and it fits', async (t) => {
  const value = JSON.parse(noticeJson(noticeOf(PROCESS), 4));
  t.match(value, {
    version: 1,
    event: 'process.joined',
    id: '1-x-1',
    seq: 1,
    nodeId: 1,
    peerId: 2,
    pid: 9,
    dropped: 4,
  });
  t.equal(value.group, 'a\\x1b[2Jb');
  t.equal(value.time, '1970-01-01T00:00:00.000Z');
  const many = noticeOf({ kind: 'quorum', quorate: false, members: Array.from({ length: 5000 }, (_, id) => id) });
  const cut = boundedNoticeJson(many, 0, 512);
  t.match(JSON.parse(cut ?? ''), { event: 'quorum.lost', cut: true, id: many.id });
  t.ok(Buffer.byteLength(cut ?? '') <= 512);
  t.equal(boundedNoticeJson(many, 0, 20), null);
  t.same(boundedNoticeJson(noticeOf(LOST), 0, 4096), noticeJson(noticeOf(LOST), 0));
});

t.test('a command gets the parts in its environment, and nothing of ours', async (t) => {
  const environment = commandEnvironment(noticeOf(NODE));
  t.match(environment, {
    RONDO_EVENT: 'node.joined',
    RONDO_PEER_ID: '3',
    RONDO_PEER_NAME: 'node3',
    RONDO_NODE_ID: '1',
  });
  t.same(
    Object.keys(environment).filter((name) => !name.startsWith('RONDO_')),
    ['PATH', 'LC_ALL'],
  );
  t.equal(commandEnvironment(noticeOf({ ...LOST, members: [1, 2] }))['RONDO_MEMBERS'], '1 2');
  t.notMatch(Object.values(commandEnvironment(noticeOf({ ...PROCESS, group: 'a\0b' }))).join(), /\0/);
});

t.test('targets', async (t) => {
  t.same(parseTarget('mq:/rondo'), { kind: 'queue', name: '/rondo', mode: 0o600 });
  t.same(parseTarget('mq:/rondo?mode=0660'), { kind: 'queue', name: '/rondo', mode: 0o660 });
  t.same(parseTarget('snmp:h'), { kind: 'snmp', host: 'h', port: 162, community: 'public' });
  t.same(parseTarget('snmp:[::1]:1162?community=c'), { kind: 'snmp', host: '::1', port: 1162, community: 'c' });
  t.same(parseTarget('exec:/bin/true'), { kind: 'command', path: '/bin/true' });
  t.same(parseTarget('dbus:'), { kind: 'dbus' });
  t.same(parseTarget('https://h/x?y=1'), { kind: 'webhook', url: 'https://h/x?y=1' });
  for (const wrong of [
    '',
    'mq:',
    'mq:rondo',
    'mq:/a/b',
    'mq:/..',
    'mq:/a?mode=9',
    'mq:/a?x=1',
    'exec:true',
    'dbus:x',
    'snmp:',
  ])
    t.throws(() => parseTarget(wrong), TypeError, wrong);
  for (const wrong of ['ftp://h', 'http://', 'http://h/#x', 'snmp:h:0', 'snmp:h:99999', 'nonsense'])
    t.throws(() => parseTarget(wrong), TypeError, wrong);
  t.same(targetWords('  a \t b '), ['a', 'b']);
});

t.test('keys of the maps', async (t) => {
  t.equal(nodeOfStatusKey('runtime.members.7.status'), 7);
  t.equal(nodeOfStatusKey('runtime.members.7.ip'), null);
  t.same(linkOfKey('stats.knet.node3.link1.connected'), { peerId: 3, link: 1 });
  t.equal(linkOfKey('stats.knet.node3.link1.mtu'), null);
  t.equal(lastAddress('r(0) ip(10.0.0.1) r(1) ip(10.0.1.1) '), '10.0.1.1');
  t.equal(lastAddress(''), null);
});

t.test('what waits is bounded, and the least urgent goes', async (t) => {
  const pending = new Pending(3);
  for (const [seq, event] of [CLIENT, NODE, CLIENT, LINK, LOST].entries()) pending.add(noticeOf(event, seq));
  t.equal(pending.dropped, 2);
  t.same(
    [pending.take(), pending.take(), pending.take(), pending.take()].map((notice) => notice?.seq),
    [4, 1, 3, undefined],
  );
  pending.add(noticeOf(NODE, 7));
  pending.add(noticeOf(NODE, 8));
  t.equal(pending.take()?.seq, 7, 'in order among equals');
});

t.test('the signals of D-Bus have the names and arguments of stock', async (t) => {
  t.same(dbusSignals(noticeOf(LOST)), [
    { member: 'QuorumStateChange', args: ['string:host1', 'uint32:1', 'string:not quorate'] },
  ]);
  t.same(dbusSignals(noticeOf(NODE))[0]?.args, ['string:node3', 'uint32:3', 'string:10.81.1.3', 'string:joined']);
  t.same(
    dbusSignals(noticeOf(LINK)).map(({ member }) => member),
    ['QuorumStateChange', 'LinkStateChange'],
  );
  t.same(dbusSignals(noticeOf(PROCESS)), []);
  const client = { ...CLIENT, client: '0x1.2.\u001b[2Jtool\u202e' };
  t.match(
    dbusSignals(noticeOf(client))[0]?.args,
    [/./, /./, 'string:0x1.2.\\x1b[2Jtool\\u202e'],
    'names of others by their codes',
  );
});

t.test('a trap is the BER of SNMPv2c', async (t) => {
  const trap = Buffer.from(trapOf(noticeOf(LOST), 'public', 12_345) ?? []);
  const hex = trap.toString('hex');
  t.ok(hex.startsWith('3081'), hex);
  t.ok(hex.includes('020101' + '0406' + '7075626c6963'), 'version and community');
  t.ok(hex.includes('4302' + '04d2'), 'ticks');
  t.ok(hex.includes('2b060104018295200002'), 'the OID of the trap of quorum');
  t.ok(hex.includes(Buffer.from('not quorate').toString('hex')));
  t.equal(trap.length, (trap[2] ?? 0) + 3, 'its length is right');
  t.equal(trapOf(noticeOf(PROCESS), 'public', 0), null);
  const hostile = trapOf(noticeOf({ ...CLIENT, client: '0x1.2.\u001b[2Jtool' }), 'public', 0);
  t.match(Buffer.from(hostile ?? []).toString('latin1'), '0x1.2.\\x1b[2Jtool', 'names of others by their codes');
});
