import { StoryRing } from '../../scenarios/story-ring.ts';

/**
 * The properties that Amir, Moser, Melliar-Smith, Agarwal and Ciarfella state in "The Totem single-ring ordering and membership
 * protocol" (ACM TOCS 13(4), 1995), shown on a ring on virtual time, one file for each section. What services are given, messages
 * and configurations, stands in `delivered` in one order.
 */
export class PaperRing extends StoryRing {
  override note(node: number, text: string): void {
    super.note(node, text);
    if (/^(TRANSITIONAL|REGULAR) /.test(text)) this.nodes.get(node)?.delivered.push(text);
  }

  /** Boots nodes 1 … `count` and lets them form one ring. */
  static formed(count: number): PaperRing {
    const ring = new PaperRing();
    for (let id = 1; id <= count; id++) ring.boot(id);
    ring.run(2000);
    for (const node of ring.nodes.values()) node.delivered.length = 0;
    return ring;
  }

  delivered(id: number): readonly string[] {
    return this.node(id).delivered;
  }

  state(id: number) {
    return this.node(id).groups.srp.state;
  }

  lose(frame: 'MCAST' | 'ORF' | 'COMMIT', from: number, to: number, count = Number.POSITIVE_INFINITY): void {
    this.drops.push({ frame, from, to, left: count });
  }

  heal(): void {
    this.drops.length = 0;
    this.cuts.clear();
  }

  isolate(id: number): void {
    for (const other of this.nodes.keys()) {
      if (other === id) continue;
      this.cuts.add(`${id}>${other}`);
      this.cuts.add(`${other}>${id}`);
    }
  }
}
