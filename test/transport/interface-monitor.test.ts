import t from 'tap';
import type { HostAddress } from '../../src/os/interfaces.ts';
import { parseIp } from '../../src/os/sockaddr.ts';
import { findInterface, type InterfaceAddress } from '../../src/transport/datagram/interface-address.ts';
import { InterfaceMonitor } from '../../src/transport/datagram/interface-monitor.ts';

const AT: InterfaceAddress = { name: 'eth0', address: '10.0.0.1', index: 0 };

function monitor(options: { fatalWithout?: boolean; rebindAlways?: boolean } = {}) {
  const story: string[] = [];
  const host = { found: AT as InterfaceAddress | null, bindFails: 0 };
  const watched = new InterfaceMonitor(
    {
      find: () => host.found,
      bind: (at) => {
        if (host.bindFails-- > 0) throw new Error('in use');
        story.push(`bind ${at.address}`);
      },
      unbind: () => story.push('unbind'),
      up: () => story.push('up'),
      down: () => story.push('down'),
    },
    { downcheckMs: 1000, fatalWithout: false, rebindAlways: false, ...options },
  );
  return { watched, story, host };
}

t.test('up at once, then watched while alone', async (t) => {
  const { watched, story } = monitor();
  watched.tick(99);
  t.same(story, [], 'not before the start');
  watched.start(100);
  t.equal(watched.nextCheckMs, 100);
  watched.tick(100);
  t.same(story, ['bind 10.0.0.1', 'up']);
  t.equal(watched.nextCheckMs, 1100, 'alone: every downcheck');
  watched.membersChanged(3, 200);
  watched.tick(1100);
  t.equal(watched.nextCheckMs, Number.POSITIVE_INFINITY, 'not in a ring of several');
  watched.membersChanged(1, 5000);
  t.equal(watched.nextCheckMs, 6000);
  t.same(story, ['bind 10.0.0.1', 'up']);
});

t.test('down and up again; each reported once', async (t) => {
  const { watched, story, host } = monitor();
  watched.start(0);
  watched.tick(100);
  watched.membersChanged(2, 100);
  watched.checkSoon(); // a token was lost
  watched.tick(1500);
  t.same(story.splice(0), ['bind 10.0.0.1', 'up'], 'nothing new');
  host.found = null;
  watched.checkSoon();
  watched.tick(2000);
  watched.tick(3000);
  watched.tick(4000);
  t.same(story.splice(0), ['unbind', 'down']);
  t.equal(watched.state, 'loopback');
  host.found = { ...AT, address: '10.0.0.2' };
  watched.tick(5000);
  t.same(story, ['bind 10.0.0.2', 'up']);
});

t.test('udp opens its sockets anew at a token loss, udpu only when something changed', async (t) => {
  const { watched, story } = monitor({ rebindAlways: true });
  watched.start(0);
  watched.tick(100);
  watched.membersChanged(2, 100);
  watched.checkSoon();
  watched.tick(1500);
  t.same(story, ['bind 10.0.0.1', 'up', 'bind 10.0.0.1']);
});

t.test('no interface at the start', async (t) => {
  const without = monitor({ fatalWithout: true });
  without.host.found = null;
  without.watched.start(0);
  t.throws(() => without.watched.tick(100), { code: 'RONDO_TRANSPORT_NO_INTERFACE' });
  const { watched, story, host } = monitor();
  host.found = null;
  watched.start(0);
  watched.tick(100);
  t.same(story, ['down']);
});

t.test('a port in use is tried ten times, at growing distance', async (t) => {
  const { watched, story, host } = monitor();
  host.bindFails = 2;
  watched.start(0);
  watched.tick(100);
  t.equal(watched.nextCheckMs, 200);
  watched.tick(200);
  t.equal(watched.nextCheckMs, 400);
  watched.tick(400);
  t.same(story, ['bind 10.0.0.1', 'up']);
  const hopeless = monitor();
  hopeless.host.bindFails = 1000;
  hopeless.watched.start(0);
  t.throws(() => {
    for (let now = 0; now < 100_000; now += 100) hopeless.watched.tick(now);
  }, /in use/);
});

t.test('which address: the same, else the first in its subnet, loopback as given', async (t) => {
  const at = (name: string, address: string, mask: string, changes: Partial<HostAddress> = {}): HostAddress => {
    const [bytes, netmask] = [parseIp(address)!, parseIp(mask)];
    return { name, address, bytes, netmask, scopeId: 0, up: true, loopback: false, ...changes };
  };
  const list = () => [
    at('lo', '127.0.0.1', '255.0.0.0', { loopback: true }),
    at('eth1', '10.0.0.6', '255.255.255.0', { up: false }),
    at('eth0', '10.0.0.7', '255.255.255.0'),
    at('eth0', '10.0.0.8', '255.255.255.0'),
    at('eth0', 'fe80::1', 'ffff:ffff:ffff:ffff::', { scopeId: 3 }),
  ];
  t.equal(findInterface('10.0.0.6', list), null, 'its interface is down');
  t.equal(findInterface('10.0.0.8', list)?.address, '10.0.0.8');
  t.equal(findInterface('10.0.0.0', list)?.address, '10.0.0.7');
  t.equal(findInterface('10.0.1.0', list), null);
  t.same(findInterface('fe80::1', list), { name: 'eth0', address: 'fe80::1', index: 3 });
  t.equal(findInterface('127.0.0.3', list)?.address, '127.0.0.3');
  t.equal(findInterface('no address', list), null);
});
