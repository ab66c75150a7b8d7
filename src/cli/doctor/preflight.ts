import type { Finding } from './finding.ts';
import { blockingRules, type Ruleset } from './firewall.ts';

export interface ConfigProblem {
  readonly text: string;
  readonly hint: string;
  /** It is about the file of the ring's key. */
  readonly isKey: boolean;
}

/** A socket that this node's ring needs. */
export interface WantedPort {
  readonly link: number;
  readonly address: string;
  readonly port: number;
  /** Somebody has it, whoever that is. */
  readonly taken: boolean;
}

/** A daemon as its traces show it. */
export type DaemonTraces =
  /** It was asked, and responded. */
  | { readonly state: 'reachable' }
  /** Its sockets are there, and asking failed. */
  | { readonly state: 'unreachable'; readonly reason: string }
  | { readonly state: 'stopped' }
  /** The pid file names a living process, and no socket is there. */
  | { readonly state: 'silent'; readonly pid: number; readonly program: string };

/** What the machine is like, as far as it could be seen; `null`: it could not. */
export interface MachineFacts {
  readonly file: string;
  readonly errors: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
  /** Texts of node addresses that do not resolve. */
  readonly unresolved: readonly string[];
  readonly ports: readonly WantedPort[];
  /** Addresses of the other nodes. */
  readonly peers: readonly string[];
  /** Bytes of a datagram that the ring sends at most (udp, udpu), and the MTU of the interface of each link. */
  readonly netMtu: number | null;
  readonly interfaces: readonly { readonly link: number; readonly name: string; readonly mtu: number }[];
  readonly ruleset: Ruleset | null;
  readonly shm: { readonly freeBytes: number; readonly totalBytes: number } | null;
  readonly clockSynchronised: boolean | null;
  /** Real-time scheduling is wanted (`system.sched_rr`) and this user may have it. */
  readonly realtime: { readonly wanted: boolean; readonly permitted: boolean } | null;
  readonly descriptors: number | null;
  readonly daemon: DaemonTraces;
  readonly nodeVersion: string;
}

const MIB = 2 ** 20;
/** Ring files of one connection. */
const CONNECTION_BYTES = 3 * MIB;
/** What a node with Pacemaker has open: some twenty connections. */
const SHM_COMFORTABLE_BYTES = 64 * MIB;
const DESCRIPTORS_MIN = 256;
const DESCRIPTORS_COMFORTABLE = 1024;
const NODE_MAJOR_MIN = 20;
/** Header of IPv4 and UDP. */
const IP_UDP_BYTES = 28;

/** What is wrong with the machine and the file, whether the daemon runs or not. */
export function machineFindings(facts: MachineFacts): readonly Finding[] {
  return [
    ...fileFindings(facts),
    ...networkFindings(facts),
    ...memoryFindings(facts),
    ...systemFindings(facts),
    ...daemonFindings(facts),
  ];
}

const correction = (file: string, hint: string): string =>
  `${hint === '' ? `Correct ${file}` : `${hint} (in ${file})`}; then: rondo config check ${file}`;

function fileFindings({ file, errors, warnings, unresolved }: MachineFacts): Finding[] {
  const found: Finding[] = [];
  for (const { text, hint, isKey } of errors) {
    found.push({
      code: isKey ? 'key.missing' : 'config.unusable',
      severity: 'error',
      what: isKey ? 'The key of the ring cannot be used' : 'The configuration cannot be used',
      cause: 'A daemon that starts with this file ends at once',
      evidence: [text],
      mend: isKey
        ? 'Copy the key of another node: scp NODE:/etc/corosync/authkey /etc/corosync/ (a first one: corosync-keygen)'
        : correction(file, hint),
    });
  }
  for (const { text, hint, isKey } of warnings) {
    found.push({
      code: isKey ? 'key.exposed' : 'config.warning',
      severity: 'warning',
      what: isKey
        ? 'Others can read or change the key of the ring'
        : 'The configuration has something that looks like a mistake',
      cause: isKey ? hint : 'The daemon takes it as it is, which may not be what was meant',
      evidence: [text],
      mend: isKey ? 'chown root: KEYFILE && chmod 400 KEYFILE' : correction(file, hint),
    });
  }
  if (unresolved.length > 0)
    found.push({
      code: 'name.unresolved',
      severity: 'error',
      what: 'Names of nodes do not resolve',
      cause: 'Their links cannot be set up; the daemon tries again in the background',
      evidence: unresolved.map((name) => `no address for ${name}`),
      mend: `getent hosts ${unresolved[0]} (and write addresses into the node list, or the names into /etc/hosts)`,
    });
  return found;
}

function networkFindings(facts: MachineFacts): Finding[] {
  const { ports, daemon, ruleset, peers, netMtu, interfaces } = facts;
  const found: Finding[] = [];
  const taken = daemon.state === 'stopped' ? ports.filter((port) => port.taken) : [];
  if (taken.length > 0)
    found.push({
      code: 'port.taken',
      severity: 'error',
      what: 'Another program has a port of the ring',
      cause: 'The daemon cannot bind it and ends with status 15',
      evidence: taken.map(({ link, address, port }) => `link ${link}: ${address} port ${port} (UDP) is in use`),
      mend: `ss -ulpn 'sport = :${taken[0]?.port}' (and end that program, or set mcastport of the link on all nodes)`,
    });
  const rules =
    ruleset === null
      ? []
      : blockingRules(
          ruleset,
          ports.map(({ port }) => port),
          peers,
        );
  if (rules.length > 0)
    found.push({
      code: 'firewall.blocks',
      severity: 'error',
      what: 'The firewall drops packets of the ring',
      cause: 'Nodes that do not hear each other form rings of their own, or take the link down',
      evidence: rules,
      mend: `nft list ruleset (and let UDP port ${ports[0]?.port ?? 5405} through, both ways: firewall-cmd --add-service=high-availability)`,
    });
  for (const { link, name, mtu } of interfaces) {
    if (netMtu === null || netMtu <= mtu) continue;
    found.push({
      code: 'mtu.small',
      severity: 'error',
      what: `Packets of the ring do not fit the interface of link ${link}`,
      cause: 'They are fragmented; one lost fragment loses the whole, and firewalls drop them',
      evidence: [`totem.netmtu is ${netMtu}, the MTU of ${name} is ${mtu}`],
      mend: `Set totem.netmtu to ${mtu} or less on all nodes, or: ip link set ${name} mtu ${netMtu + IP_UDP_BYTES}`,
    });
  }
  return found;
}

function memoryFindings({ shm }: MachineFacts): Finding[] {
  if (shm === null || shm.freeBytes >= SHM_COMFORTABLE_BYTES) return [];
  const full = shm.freeBytes < CONNECTION_BYTES;
  const free = `${Math.floor(shm.freeBytes / MIB)} MiB of ${Math.floor(shm.totalBytes / MIB)} MiB of /dev/shm are free`;
  return [
    {
      code: full ? 'shm.full' : 'shm.small',
      severity: full ? 'error' : 'warning',
      what: full ? '/dev/shm is full: no client can connect' : '/dev/shm is small',
      cause: 'Each connection of a client takes 3 MiB of it, and all of it at once',
      evidence: [free],
      mend: 'du -sh /dev/shm/* (and remove what nobody uses), or: mount -o remount,size=1g /dev/shm',
    },
  ];
}

function systemFindings(facts: MachineFacts): Finding[] {
  const { clockSynchronised, realtime, descriptors, nodeVersion } = facts;
  const found: Finding[] = [];
  if (clockSynchronised === false)
    found.push({
      code: 'clock.unsynchronised',
      severity: 'info',
      what: 'The clock is not synchronised',
      cause: 'The ring does not need it; logs of several nodes cannot be compared',
      evidence: ['the kernel says that its clock is not synchronised'],
      mend: 'timedatectl set-ntp true (or install chrony)',
    });
  if (realtime?.wanted === true && !realtime.permitted)
    found.push({
      code: 'limits.realtime',
      severity: 'warning',
      what: 'This user may not have real-time scheduling',
      cause: 'On a busy machine the ring gets no processor time, and the others take this node for dead',
      evidence: ['system.sched_rr is yes; neither CAP_SYS_NICE nor RLIMIT_RTPRIO is there'],
      mend: 'Start it as root, or: setcap, LimitRTPRIO=99 in the unit, system.sched_rr: no to do without',
    });
  if (descriptors !== null && descriptors < DESCRIPTORS_COMFORTABLE)
    found.push({
      code: 'limits.descriptors',
      severity: descriptors < DESCRIPTORS_MIN ? 'error' : 'warning',
      what: 'The limit of open files is small',
      cause: 'Each client takes a descriptor; beyond the limit it is refused',
      evidence: [`a daemon that is started here can have ${descriptors} descriptors`],
      mend: 'ulimit -n 4096, or LimitNOFILE=4096 in the unit',
    });
  if (Number(nodeVersion.split('.')[0]) < NODE_MAJOR_MIN)
    found.push({
      code: 'node.version',
      severity: 'error',
      what: 'This Node.js is too old',
      cause: `The daemon needs ${NODE_MAJOR_MIN} or later`,
      evidence: [`Node.js ${nodeVersion}`],
      mend: 'Install a newer Node.js, then build again',
    });
  return found;
}

function daemonFindings({ daemon }: MachineFacts): Finding[] {
  switch (daemon.state) {
    case 'reachable':
      return [];
    case 'stopped':
      return [
        {
          code: 'daemon.stopped',
          severity: 'info',
          what: 'No daemon runs on this host',
          cause: 'Only what a start needs was looked at',
          evidence: ['no socket of a daemon is there'],
          mend: 'systemctl start corosync',
        },
      ];
    case 'silent':
      return [
        {
          code: 'daemon.other',
          severity: 'error',
          what: 'A process holds the lock file and serves no clients',
          cause: 'A daemon that starts ends with status 18; that one starts or stops, or hangs',
          evidence: [`process ${daemon.pid} (${daemon.program})`],
          mend: `journalctl -u corosync -n 50, then: systemctl restart corosync (or kill ${daemon.pid})`,
        },
      ];
    case 'unreachable':
      return [
        {
          code: 'daemon.unreachable',
          severity: 'error',
          what: 'The daemon runs and cannot be asked',
          cause: 'It has not formed its first ring, hangs, refuses this user, or there is no room for the connection',
          evidence: [daemon.reason],
          mend: 'Look at the other findings, then at the log; for another user: uidgid in corosync.conf',
        },
      ];
  }
}
