import t from 'tap';
import type { ConfigurationChange } from '../../src/lib/ring-id.ts';
import { ReloadAgreement } from '../../src/services/cfg/agreement.ts';
import { CfgEngine } from '../../src/services/cfg/engine.ts';
import type { CfgPorts } from '../../src/services/cfg/ports.ts';
import * as wire from '../../src/services/codec/cfg.ts';
import { nameValue } from '../../src/services/codec/fields.ts';
import { ServiceId } from '../../src/services/codec/ids.ts';
import { YkdEngine } from '../../src/services/ykd/engine.ts';
import { FakeClock } from './fake-clock.ts';
import { configured, FakeNode } from './fake-node.ts';

/** A node whose send queue is full or has room as the test says. */
class Crowded {
  readonly clock = new FakeClock();
  room = false;
  readonly node = new FakeNode({ nodeId: 1, clock: this.clock, cmap: configured({}), full: () => !this.room });

  /** Lets time pass, timer by timer. */
  pass(ms: number): void {
    const end = this.clock.nowMs() + ms;
    while (this.clock.runNext(end));
  }

  view(seq: number, members: readonly number[]): void {
    const change: ConfigurationChange = { kind: 'regular', ringId: { rep: 1, seq }, members, joined: [], left: [] };
    this.node.host.configurationChange(change);
  }

  get sent(): Uint8Array[] {
    return [...this.node.transitionalQueue, ...this.node.normalQueue].map(({ bytes }) => bytes);
  }
}

const refused = { prepare: () => ({ ok: false as const, reason: 'not here' }) };
const ports: CfgPorts = {
  reloader: refused,
  ringLinks: () => [],
  nodeReport: () => null,
  nodeAddresses: () => null,
  reopenLogs: () => 1,
  killed: () => {},
  shutdown: () => {},
  holdRing: () => () => {},
  reloadDone: () => {},
};

/**
 * The queue is full when the first message comes, and has room when the second one does, before anybody has tried the first
 * one again.
 */
const STEP_MS = 3;

t.test('cfg: the second kill does not overtake the first', async (t) => {
  const crowded = new Crowded();
  const { node } = crowded;
  await node.load(new CfgEngine(ports));
  const connection = node.connect(ServiceId.CFG);
  crowded.node.host.syncCompleted();
  for (const nodeId of [2, 3]) {
    node.cmap.setString(`runtime.members.${nodeId}.status`, 'joined');
    t.equal(connection.status(wire.CFG_KILL_NODE.message({ nodeId, reason: nameValue('why') })), 1);
    crowded.pass(STEP_MS);
    crowded.room = true;
  }
  crowded.pass(100);
  const killed = crowded.sent.map((bytes) => wire.CFG_EXEC_KILL_NODE.decodeChecked(bytes).nodeId);
  t.same(killed, [2, 3]);
});

t.test('ykd: the state of an older view does not come after that of the newer one', async (t) => {
  const crowded = new Crowded();
  await crowded.node.load(new YkdEngine({ setQuorum: () => {} }));
  crowded.view(4, [1, 2]);
  crowded.pass(STEP_MS);
  const alone = crowded.sent.length;
  crowded.room = true;
  crowded.view(8, [1, 2, 3]);
  crowded.pass(100);
  t.equal(alone, 0);
  t.equal(crowded.sent.length, 2, 'both, in the order in which they were sent');
});

t.test('the agreement: a vote that waits does not leave behind what was sent after it', async (t) => {
  const crowded = new Crowded();
  await crowded.node.load(new ReloadAgreement(refused));
  crowded.view(4, [1, 2]);
  const prepare = new Uint8Array(24);
  new DataView(prepare.buffer).setUint32(0, (15 << 16) | 1, true);
  crowded.node.host.deliver(2, prepare);
  await new Promise((resolve) => setImmediate(resolve));
  crowded.pass(STEP_MS);
  crowded.room = true;
  crowded.view(8, [1, 2, 3]);
  crowded.pass(100);
  t.same(
    crowded.sent.map((bytes) => new DataView(bytes.buffer, bytes.byteOffset).getUint16(0, true)),
    [0, 2, 0],
    'hello, vote, hello of the next view',
  );
});
