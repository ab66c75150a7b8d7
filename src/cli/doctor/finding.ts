/** `error`: it does not work, or will not; `warning`: it works until something more happens; `info`: good to know. */
export type Severity = 'error' | 'warning' | 'info';

/** Codes are stable: scripts compare them. */
export type FindingCode =
  // before a start
  | 'config.unusable'
  | 'config.warning'
  | 'key.missing'
  | 'key.exposed'
  | 'name.unresolved'
  | 'port.taken'
  | 'firewall.blocks'
  | 'shm.full'
  | 'shm.small'
  | 'clock.unsynchronised'
  | 'limits.realtime'
  | 'limits.descriptors'
  | 'daemon.other'
  | 'daemon.unreachable'
  | 'daemon.stopped'
  | 'mtu.small'
  | 'node.version'
  // of a ring that runs
  | 'node.absent'
  | 'quorum.lost'
  | 'quorum.last'
  | 'device.stopped'
  | 'arbiter.unreachable'
  | 'arbiter.withholds'
  | 'link.down'
  | 'link.one-way'
  | 'link.one-sided'
  | 'link.flapping'
  | 'path.missing'
  | 'key.differs'
  | 'config.differs'
  | 'config.stale'
  | 'version.differs'
  | 'token.small'
  | 'token.lost'
  | 'ring.retransmits'
  | 'ring.gathers'
  | 'ring.plain-text'
  | 'queue.full'
  | 'client.slow';

export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** What is wrong, in a sentence. */
  readonly what: string;
  /** Why that is so, or what follows from it. */
  readonly cause: string;
  /** What was seen. */
  readonly evidence: readonly string[];
  /** The command that mends it, or the next step on the way. */
  readonly mend: string;
}

const ORDER: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

/** The worst first; among equals as they were found. */
export const inOrder = (findings: readonly Finding[]): readonly Finding[] =>
  [...findings].sort((a, b) => ORDER[a.severity] - ORDER[b.severity]);
