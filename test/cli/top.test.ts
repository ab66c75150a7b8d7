import t from 'tap';
import { renderTop } from '../../src/cli/top/render.ts';
import type { TopSample } from '../../src/cli/top/sample.ts';
import { topView } from '../../src/cli/top/view.ts';

const values = (entries: Readonly<Record<string, number>>): Map<string, number> => new Map(Object.entries(entries));

/** Counters that have grown for so many seconds. */
function sample(seconds: number): TopSample {
  return {
    timeMs: 1000 * seconds,
    ringId: { rep: 1, seq: 4n },
    members: [1, 2],
    configured: 3,
    quorate: true,
    ring: values({
      orf_token_rx: 500 * seconds,
      mcast_tx: 10 * seconds,
      mcast_rx: 20 * seconds,
      mtt_rx_token: 2,
      msg_queue_avail: 900,
    }),
    links: [
      {
        peerId: 2,
        link: 0,
        values: values({ connected: 1, latency_ave: 150, tx_total_bytes: 2048 * seconds, down_count: 1 }),
      },
      { peerId: 3, link: 0, values: values({ connected: 0, latency_ave: 0, tx_total_bytes: 0, down_count: 3 }) },
    ],
    clients: [
      {
        id: '0x1',
        pid: 30,
        service: 2,
        name: 'a\u001b[2Jb',
        values: values({ requests: 5 * seconds, dispatched: 50 * seconds, queued: 0 }),
      },
      {
        id: '0x2',
        pid: 20,
        service: 0,
        name: 'zeta',
        values: values({ requests: 9 * seconds, dispatched: 0, queued: 7 }),
      },
    ],
  };
}

t.test('rates are those of a second, and there are none without an earlier look', async (t) => {
  const view = topView(sample(10), sample(12), 'requests');
  t.match(view, { tokens: 500, sent: 10, received: 20, rotationMs: 2, retransmitted: 0 });
  t.equal(view.links[0]?.sentBytes, 2048);
  t.same(
    view.links.map(({ downs }) => downs),
    [0, 2],
    'that it was born down is no time that it went down',
  );
  t.equal(topView(null, sample(12), 'requests').tokens, 0);
  const restarted = topView(sample(10), { ...sample(1), timeMs: 12_000 }, 'requests');
  t.equal(restarted.tokens, 0, 'counters that were cleared');
});

t.test('the order of the clients', async (t) => {
  const pids = (sort: Parameters<typeof topView>[2]): number[] =>
    topView(sample(1), sample(2), sort).clients.map(({ pid }) => pid);
  t.same(pids('requests'), [20, 30]);
  t.same(pids('events'), [30, 20]);
  t.same(pids('waiting'), [20, 30]);
  t.same(pids('name'), [30, 20]);
  t.same(pids('pid'), [20, 30]);
});

t.test('the screen fits, has colour only where it is wanted, and names of others move nothing', async (t) => {
  const view = topView(sample(1), sample(2), 'events');
  const plain = renderTop(view, { size: null, colour: false, sort: 'events', keys: false });
  t.notOk(plain.join('\n').includes('\u001b'));
  t.match(plain.join('\n'), /a\\x1b\[2Jb/);
  t.match(plain.join('\n'), /DOWN/);
  const screen = renderTop(view, { size: { width: 20, height: 8 }, colour: true, sort: 'events', keys: true });
  t.ok(screen.length <= 8);
  const visible = screen.map((line) =>
    line
      .split('\u001b[')
      .map((part, at) => (at === 0 ? part : part.replace(/^[0-9]+m/, '')))
      .join(''),
  );
  t.ok(visible.every((line) => line.length <= 20 && !line.includes('\u001b')));
  t.match(renderTop(view, { size: null, colour: false, sort: 'events', keys: true }).at(-1), /\[e events\]/);
});
