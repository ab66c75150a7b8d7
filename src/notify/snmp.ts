import { createSocket } from 'node:dgram';
import { isIPv6, type LookupFunction } from 'node:net';
import { printable } from '../lib/printable.ts';
import { lookUpName } from '../os/look-up-name.ts';
import { type Ber, berInteger, berOid, berSequence, berText, berTicks, berTrap, berUnsigned } from './ber.ts';
import { type Notice, statusWord } from './notice.ts';
import type { Delivery } from './receiver.ts';
import type { Target } from './target.ts';

const SYS_UP_TIME = '1.3.6.1.2.1.1.3.0';
const TRAP_OID = '1.3.6.1.6.3.1.1.4.1.0';
/** COROSYNC-MIB. */
const ENTERPRISE = '1.3.6.1.4.1.35488';
const TrapNumber = { node: 1, quorum: 2, client: 3, link: 4 } as const;
const ObjectNumber = {
  nodeName: 1,
  nodeId: 2,
  nodeStatus: 3,
  nodeAddress: 4,
  localNodeId: 5,
  quorumStatus: 21,
  clientName: 40,
  clientStatus: 41,
  link: 60,
  linkStatus: 61,
} as const;
/** SNMP version 2c. */
const VERSION = 1;

type Binding = readonly [object: keyof typeof ObjectNumber, value: Ber];

/** Objects of an event's trap, in the order of the MIB; `null`: stock's MIB has no trap for it. */
function bindings({ host, nodeId, event }: Notice): readonly Binding[] | null {
  const status = berText(statusWord(event));
  switch (event.kind) {
    case 'node': {
      const address = event.address ?? 'unknown';
      return [
        ['nodeName', berText(printable(event.name ?? address))],
        ['nodeId', berUnsigned(event.peerId)],
        ['nodeAddress', berText(printable(address))],
        ['nodeStatus', status],
      ];
    }
    case 'quorum':
      return [
        ['nodeName', berText(printable(host))],
        ['nodeId', berUnsigned(nodeId)],
        ['quorumStatus', status],
      ];
    case 'client':
      return [
        ['nodeName', berText(printable(host))],
        ['nodeId', berUnsigned(nodeId)],
        ['clientName', berText(printable(event.client))],
        ['clientStatus', status],
      ];
    case 'link':
      return [
        ['nodeName', berText(printable(host))],
        ['localNodeId', berUnsigned(nodeId)],
        ['nodeId', berUnsigned(event.peerId)],
        ['link', berInteger(event.link)],
        ['linkStatus', status],
      ];
    default:
      return null;
  }
}

/** A trap (SNMPv2c) as one datagram; `upMs`: for how long the sender has been running. */
export function trapOf(notice: Notice, community: string, upMs: number): Ber | null {
  const { kind } = notice.event;
  const objects = bindings(notice);
  if (objects === null || kind === 'process' || kind === 'daemon') return null;
  const bound = [
    berSequence(berOid(SYS_UP_TIME), berTicks(Math.floor(upMs / 10) % 2 ** 32)),
    berSequence(berOid(TRAP_OID), berOid(`${ENTERPRISE}.0.${TrapNumber[kind]}`)),
    ...objects.map(([object, value]) => berSequence(berOid(`${ENTERPRISE}.1.${ObjectNumber[object]}`), value)),
  ];
  const requestId = notice.seq % 2 ** 31;
  const pdu = berTrap(berInteger(requestId), berInteger(0), berInteger(0), berSequence(...bound));
  return berSequence(berInteger(VERSION), berText(community), pdu);
}

const GIVEN_UP = 'given up';
/** A name server that does not respond holds up the traps behind for no longer. */
export const SEND_MS_MAX = 5_000;

/** `uptimeMs`: see `trapOf`. A name is resolved for each trap: managers move. `lookup`: how; tests have their own. */
export function snmpDelivery(
  { host, port, community }: Extract<Target, { readonly kind: 'snmp' }>,
  uptimeMs: () => number,
  lookup: LookupFunction = lookUpName,
): Delivery {
  return {
    deliver(notice, _dropped, signal) {
      const trap = trapOf(notice, community, uptimeMs());
      if (trap === null) return Promise.resolve();
      if (signal.aborted) return Promise.reject(new Error(GIVEN_UP));
      return new Promise((resolve, reject) => {
        const socket = createSocket({
          type: isIPv6(host) ? 'udp6' : 'udp4',
          lookup: (name, options, found) =>
            lookup(name, options, (error, address, family) => found(error, String(address), family ?? 0)),
        });
        const done = (error: Error | null): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', abort);
          socket.removeAllListeners('error').on('error', () => {});
          socket.close();
          if (error === null) resolve();
          else reject(error);
        };
        const abort = (): void => done(new Error(GIVEN_UP));
        const timer = setTimeout(
          () => done(new Error(`${host} was not found within ${SEND_MS_MAX / 1000} s`)),
          SEND_MS_MAX,
        );
        signal.addEventListener('abort', abort, { once: true });
        socket.once('error', done);
        socket.send(trap, port, host, (error) => done(error));
      });
    },
  };
}
