import t from 'tap';
import { Group } from '../../../src/totem/index.ts';
import type { OrfToken } from '../../../src/totem/wire/orf-token.ts';
import { decodedToken, LoneNode } from '../lone-node.ts';

/** Section "Flow control". Node 2 of a ring whose token comes from the test. */
class Sender {
  readonly node = new LoneNode({ windowSize: 50, maxMessages: 17 }).toOperational();
  private seq = this.node.state.high;

  constructor(packets: number) {
    this.node.state.capabilities = 0; // beside stock: window_size and max_messages are what they say
    this.node.groups.synchronizationCompleted();
    for (let i = 0; i < packets; i++) this.node.groups.mcast(Group.SERVICES, new Uint8Array(1370));
  }

  /** A visit of the token; how many messages were sent, and the token as it was passed on. */
  visit(fields: Partial<OrfToken>): { readonly sent: number; readonly token: OrfToken } {
    const { state } = this.node;
    this.node.take();
    const tokenSeq = (state.myTokenSeq + 1) >>> 0;
    const { rep, seq: ringSeq } = state.ring;
    this.node.orfToken({ seq: this.seq, tokenSeq, aru: this.seq, aruAddr: 0, ringRep: rep, ringSeq, ...fields });
    const token = decodedToken(this.node.take().at(-1)!.frame);
    const sent = token.seq - this.seq;
    this.seq = token.seq;
    return { sent, token };
  }
}

t.test('max_messages: nobody sends more than that in one visit', async (t) => {
  t.equal(new Sender(40).visit({}).sent, 17);
});

t.test('window: all members together send no more than the window in one rotation', async (t) => {
  t.equal(new Sender(40).visit({ fcc: 45 }).sent, 5, 'others have sent 45 of 50');
  t.equal(new Sender(40).visit({ fcc: 50 }).sent, 0);
});

t.test('fcc: a member adds what it sends, and takes off what it sent in the visit before', async (t) => {
  const sender = new Sender(20);
  const first = sender.visit({ fcc: 10 });
  t.equal(first.token.fcc, 10 + 17);
  const second = sender.visit({ fcc: first.token.fcc });
  t.equal(second.token.fcc, 10 + second.sent, 'its own 17 are off, the new ones on');
  t.equal(sender.visit({ fcc: second.token.fcc }).token.fcc, 10);
});

t.test('backlog: the token holds what everybody has waiting, each figure taken off in the next visit', async (t) => {
  const sender = new Sender(20);
  const waiting = sender.node.state.newQueue.length;
  const first = sender.visit({ backlog: 100 });
  t.ok(first.token.backlog >= 100 + waiting && first.token.backlog <= 101 + waiting, `${first.token.backlog}`);
  const second = sender.visit({ backlog: first.token.backlog });
  t.equal(second.token.backlog, first.token.backlog - first.sent, 'what was sent does not wait any more');
});

t.test('fairness: a member takes the share of the window that its backlog has of all', async (t) => {
  const sender = new Sender(60);
  sender.visit({});
  const mine = sender.node.state.flow.pbl;
  const { sent } = sender.visit({ fcc: 17, backlog: 10 * mine });
  t.equal(sent, Math.floor((50 * mine) / (10 * mine - 17)), 'a tenth of the backlog, a tenth of the window');
});

/** Not the paper's: it bounds what is under way by the window only, and a member that lags makes more of it. */
t.test('no more is under way than all survivors can send again in one RECOVERY', async (t) => {
  const survivors = 16;
  const bound = Math.floor(16_384 / (2 * survivors));
  const sentAhead = (messages: number, members = survivors): number => {
    const sender = new Sender(20);
    const { state } = sender.node;
    state.membership.memb = Array.from({ length: members }, (_, i) => i + 1);
    const seq = state.released + messages;
    return sender.visit({ seq, aru: state.released }).token.seq - seq;
  };
  t.equal(sentAhead(bound - 20), 17);
  t.equal(sentAhead(bound + 20), 0, 'five survivors with 3,800 messages each stayed in RECOVERY for ever (seed 3150)');
  t.equal(sentAhead(200, 64), 0, 'less in a large ring');
  t.equal(sentAhead(140, 64), 17, 'but three full windows');
});
