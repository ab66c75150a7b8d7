import { KNET } from './constants.ts';
import type { Host } from './host.ts';
import type { Link } from './link.ts';

/** The configured remote hosts, by node id and in a row, and all of their links by index. */
export class HostTable {
  private readonly position = new Uint16Array(KNET.hostIdMax + 1);
  readonly list: Host[] = [];
  /** Index = `Link.index`. A removed link leaves its place to the next one that is added. */
  readonly links: (Link | null)[] = [];

  find(nodeId: number): Host | null {
    const at = this.position[nodeId]!;
    return at === 0 ? null : this.list[at - 1]!;
  }

  add(host: Host): void {
    this.list.push(host);
    this.position[host.nodeId] = this.list.length;
  }

  remove(host: Host): void {
    this.list.splice(this.list.indexOf(host), 1);
    this.position.fill(0);
    this.list.forEach((left, at) => {
      this.position[left.nodeId] = at + 1;
    });
  }

  freeLinkIndex(): number {
    const free = this.links.indexOf(null);
    return free >= 0 ? free : this.links.length;
  }

  get reachable(): number {
    let count = 0;
    for (const host of this.list) if (host.reachable) count++;
    return count;
  }
}
