import t from 'tap';
import { Icmap } from '../../src/config/icmap/index.ts';
import { readNozzle } from '../../src/config/nozzle.ts';
import { EtherTarget, etherTarget } from '../../src/knet/ether.ts';

const DEVICE = { name: 'noz0', ipaddr: '10.77.3.9', ipprefix: '24' };

function reading(nodeId: number, changes: Readonly<Record<string, string | null>> = {}) {
  const map = new Icmap();
  for (const [key, value] of Object.entries({ ...DEVICE, ...changes }))
    if (value !== null) map.setString(`nozzle.${key}`, value);
  return readNozzle(map, nodeId);
}

t.test('the host part of each address is the node id', async (t) => {
  const of = (nodeId: number, changes = {}) => {
    const { nozzle } = reading(nodeId, changes);
    return nozzle === null ? null : `${nozzle.address}/${nozzle.prefix} ${nozzle.hardwareAddress}`;
  };
  t.equal(of(1), '10.77.3.1/24 54:54:01:00:00:01');
  t.equal(of(0x1234), '10.77.3.52/24 54:54:01:00:12:34', 'more than the network has room for: its low bits');
  t.equal(of(300, { ipprefix: '8' }), '10.0.1.44/8 54:54:01:00:01:2c');
  t.equal(of(3, { ipaddr: '240.1.2.3', ipprefix: '30' }), '240.1.2.3/30 54:54:01:00:00:03');
  t.equal(
    of(255, { ipaddr: 'fd00:1::', ipprefix: '64', macaddr: '02:AB:01:00:aa:bb' }),
    'fd00:1::ff/64 02:AB:01:00:00:ff',
  );
  t.same(reading(1, { name: null }), { nozzle: null, problem: null }, 'no section');
});

t.test('mistakes are named, and make no device', async (t) => {
  for (const [changes, problem] of [
    [{ ipaddr: null }, 'No IP address supplied'],
    [{ ipprefix: null }, 'No prefix supplied'],
    [{ ipprefix: '31' }, '<= 30 (got 31)'],
    [{ ipprefix: '7' }, '(got 7)'],
    [{ ipaddr: 'fd00::', ipprefix: '65' }, '<= 64 (got 65)'],
    [{ ipaddr: '10.77.3' }, 'Failed to parse IPv4'],
    [{ ipaddr: 'xy::' }, 'Failed to parse IPv6'],
    [{ macaddr: '54:54:01:00:00' }, 'macaddr'],
    [{ macaddr: '55:54:01:00:00:00' }, 'macaddr'],
    [{ name: '' }, 'not one of an interface'],
    [{ name: '..' }, 'not one of an interface'],
    [{ name: 'a/b' }, 'not one of an interface'],
    [{ name: 'sixteen-letters-' }, 'not one of an interface'],
  ] as const) {
    const { nozzle, problem: found } = reading(1, changes);
    t.equal(nozzle, null, JSON.stringify(changes));
    t.match(found, problem);
  }
});

t.test('who a frame is for', async (t) => {
  const target = (address: string, length = 14): number => {
    const bytes = new Uint8Array(20);
    bytes.set(
      address.split(':').map((byte) => Number.parseInt(byte, 16)),
      3,
    );
    return etherTarget({ bytes, view: new DataView(bytes.buffer) }, 3, length);
  };
  t.equal(target('54:54:01:00:12:34'), 0x1234);
  t.equal(target('ff:ff:ff:ff:ff:ff'), EtherTarget.EVERYBODY);
  t.equal(target('33:33:00:00:00:01'), EtherTarget.EVERYBODY);
  t.equal(target('00:00:00:00:00:00'), EtherTarget.NOBODY);
  t.equal(target('54:54:01:00:00:00'), EtherTarget.NOBODY, 'node 0 would be everybody');
  t.equal(target('54:54:01:00:00:01', 13), EtherTarget.NOBODY, 'short');
});
