import t from 'tap';
import { knetConfig } from '../../../src/transport/knet/knet-config.ts';
import { totemConfig } from './harness.ts';

const linkOf = (timers: Readonly<Record<string, number>>) => {
  const config = totemConfig({ nodeId: 1, members: { 1: ['10.0.0.1'], 2: ['10.0.0.2'] } });
  const links = config.links.map((link) => ({ ...link, ...timers }));
  return knetConfig({ ...config, links }).hosts[0]?.links[0];
};

t.test('timers that libknet would refuse', async (t) => {
  const own = linkOf({ knetPingIntervalMs: 0, knetPingTimeoutMs: 0, knetPongCount: 100_000 });
  t.match(own, { pingIntervalMs: 1_000, pongTimeoutMs: 2_000, pongCount: 255 });
  t.match(linkOf({ knetPingIntervalMs: 1, knetPingTimeoutMs: 500 }), { pingIntervalMs: 20, pongTimeoutMs: 500 });
  t.match(linkOf({ knetPingIntervalMs: 750, knetPingTimeoutMs: 1_500, knetPongCount: 0 }), {
    pingIntervalMs: 750,
    pongTimeoutMs: 1_500,
    pongCount: 1,
  });
});
