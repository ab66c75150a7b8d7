import { votesThere } from '../../lib/counted.ts';
import type { Finding } from './finding.ts';

/** What a connection to the arbiter's port came to, from this host; `null`: none was tried. */
export type ServerProbe = 'listens' | 'refused' | 'silent' | 'unresolved' | 'unreachable' | null;

/** The quorum device of this node, where one is configured. */
export interface ArbiterFacts {
  readonly host: string;
  readonly port: number;
  /** What `corosync-qdevice` says of its connection; `absent`: nobody listens on its socket; `unseen`: it may not be asked. */
  readonly state: 'connected' | 'connecting' | 'absent' | 'unseen';
  /** What votequorum knows of it. */
  readonly registered: boolean;
  readonly alive: boolean;
  readonly castsVote: boolean;
  readonly votes: number;
  readonly totalVotes: number;
  readonly quorum: number;
  readonly probe: ServerProbe;
}

const PROBES: Readonly<
  Record<
    NonNullable<ServerProbe>,
    { readonly cause: string; readonly seen: string; mend(host: string, port: number): string }
  >
> = {
  refused: {
    cause: 'Its host is reached, and nothing listens there: corosync-qnetd has ended, or has another port or address',
    seen: 'the connection was refused',
    mend: (host) => `systemctl start corosync-qnetd (on ${host}); there also: journalctl -u corosync-qnetd`,
  },
  silent: {
    cause: 'Nothing comes back: its host is down, the network to it is broken, or a firewall drops the packets',
    seen: 'the connection was not taken in time',
    mend: (host, port) =>
      `ping -c 3 ${host}; then on ${host}: systemctl status corosync-qnetd; nft list ruleset | grep ${port}`,
  },
  unreachable: {
    cause: 'This host has no way to it',
    seen: 'the network or the host is unreachable',
    mend: (host) => `ip route get ${host}; ping -c 3 ${host}`,
  },
  unresolved: {
    cause: 'Its name has no address here',
    seen: 'the name was not found',
    mend: (host) => `getent hosts ${host}; put it into /etc/hosts, or an address into quorum.device.net.host`,
  },
  listens: {
    cause:
      'It takes connections, and the device does not come to an agreement with it: certificates, name of the cluster, algorithm or tie breaker',
    seen: 'a connection to its port is taken',
    mend: (host) => `journalctl -u corosync-qdevice (here) and journalctl -u corosync-qnetd (on ${host})`,
  },
};

/** What is wrong with the quorum device of this node, and with its arbiter. */
export function arbiterFindings(facts: ArbiterFacts): readonly Finding[] {
  const { host, port, state, registered, alive, castsVote, probe } = facts;
  if (state === 'absent' || (state === 'unseen' && !registered))
    return [
      {
        code: 'device.stopped',
        severity: 'error',
        what: 'A quorum device is configured, and corosync-qdevice does not run on this node',
        cause: `Without it this node has no vote of the arbiter. ${consequence(facts)}`,
        evidence: [
          `quorum.device.net.host is ${host}`,
          registered ? 'a device is registered with votequorum' : 'no device is registered with votequorum',
        ],
        mend: 'systemctl start corosync-qdevice; journalctl -u corosync-qdevice says why it ended',
      },
    ];
  if (probe !== null && (probe !== 'listens' || state === 'connecting')) {
    const { cause, seen, mend } = PROBES[probe];
    return [
      {
        code: 'arbiter.unreachable',
        severity: 'error',
        what: `The arbiter ${host}:${port} is not there for this node`,
        cause: `${cause}. ${consequence(facts)}`,
        evidence: [
          state === 'connecting' ? 'corosync-qdevice tries to connect' : 'its vote is not there',
          `from here: ${seen}`,
        ],
        mend: mend(host, port),
      },
    ];
  }
  if (registered && !alive)
    return [
      {
        code: 'device.stopped',
        severity: 'error',
        what: 'corosync-qdevice is registered and does not report any more',
        cause: `It is stopped, or hangs. ${consequence(facts)}`,
        evidence: ['votequorum waits for its poll'],
        mend: 'systemctl restart corosync-qdevice',
      },
    ];
  if (castsVote) return [];
  return [
    {
      code: 'arbiter.withholds',
      severity: 'warning',
      what: `The arbiter ${host}:${port} gives this node no vote`,
      cause: `Another part of the cluster has it, heuristics fail, or the algorithm waits. ${consequence(facts)}`,
      evidence: ['the device is connected, and casts no vote'],
      mend: `corosync-qdevice-tool -sv (here), rondo qnetd status (on ${host})`,
    },
  ];
}

function consequence({ votes, totalVotes, quorum, castsVote }: ArbiterFacts): string {
  const state = votesThere(totalVotes, quorum);
  if (castsVote) return `Its vote counts until the next poll: ${state}`;
  return totalVotes < quorum
    ? `Its ${votes} would count: ${state}`
    : `The cluster goes on as long as its own votes are enough: ${state}`;
}
