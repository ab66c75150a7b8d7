import type { LabNode } from '../interop/lab/node.ts';
import { program } from '../interop/lab/programs.ts';

export interface Barrage {
  /** Whose address the packets carry. */
  readonly as: LabNode;
  readonly to: LabNode;
  readonly rate: number;
  readonly seconds: number;
  /** UDP payloads, in turn. `random:BYTES` is another one each time. */
  readonly payloads: readonly (Uint8Array | `random:${number}`)[];
  readonly port?: number;
  readonly sourcePort?: number;
  /** Instead of the target's address: a group. */
  readonly address?: string;
}

/** Lets `from` send datagrams with another's source address. Returns how many were sent. */
export async function spoof(from: LabNode, barrage: Barrage): Promise<number> {
  const { as, to, rate, seconds, payloads, port = 5405, sourcePort = port } = barrage;
  const texts = payloads.map((payload) =>
    typeof payload === 'string' ? payload : Buffer.from(payload).toString('hex'),
  );
  const ends = [as.plan.addresses[0]!, `${sourcePort}`, barrage.address ?? to.plan.addresses[0]!, `${port}`];
  const args = ['udp', ...ends, `${rate}`, `${seconds}`, ...texts];
  return Number(await from.space.must(await program('spoof', 'security'), args, { timeoutMs: (seconds + 20) * 1000 }));
}

/** ICMP "destination unreachable" for `to`, as if a router had not forwarded its packet to `peer`. */
export async function spoofIcmp(
  from: LabNode,
  to: LabNode,
  peer: LabNode,
  code: number,
  mtu: number,
  rate: number,
  seconds: number,
): Promise<number> {
  const [victim, other] = [to.plan.addresses[0]!, peer.plan.addresses[0]!];
  const args = ['icmp', other, victim, other, '5405', `${code}`, `${mtu}`, `${rate}`, `${seconds}`];
  return Number(await from.space.must(await program('spoof', 'security'), args, { timeoutMs: (seconds + 20) * 1000 }));
}

/** How many memberships the log of this daemon shows. */
export const memberships = (node: LabNode): number => node.log().match(/A new membership \(/g)?.length ?? 0;
