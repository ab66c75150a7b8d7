import t from 'tap';
import { knetConfig } from '../../../src/transport/knet/knet-config.ts';
import { totemConfig } from './harness.ts';

const linkOf = (timers: Readonly<Record<string, number>>) => {
  const config = totemConfig({ nodeId: 1, members: { 1: ['10.0.0.1'], 2: ['10.0.0.2'] } });
  const links = config.links.map((link) => ({ ...link, knet: { ...link.knet, ...timers } }));
  return knetConfig({ ...config, links }).hosts[0]?.links[0];
};

t.test('timers that libknet would refuse', async (t) => {
  const own = linkOf({ pingIntervalMs: 0, pingTimeoutMs: 0, pongCount: 100_000 });
  t.match(own, { pingIntervalMs: 1_000, pingTimeoutMs: 2_000, pongCount: 255 });
  t.match(linkOf({ pingIntervalMs: 1, pingTimeoutMs: 500 }), { pingIntervalMs: 20, pingTimeoutMs: 500 });
  t.match(linkOf({ pingIntervalMs: 750, pingTimeoutMs: 1_500, pongCount: 0 }), {
    pingIntervalMs: 750,
    pingTimeoutMs: 1_500,
    pongCount: 1,
  });
});
