import type { StatisticName } from '../../src/totem/index.ts';
import type { FrameName } from './frame-text.ts';
import { StoryRing } from './story-ring.ts';

/**
 * The commands of a story, one a line:
 *
 *   set NAME=VALUE …          timings by their field name, diskMs
 *   boot N …                  crash N        leave N        pause N MS
 *   died N BY …              BY learn from their transport that the process of N has ended
 *   silent N BY MS            for so long BY's transport has had no reply from N; -1: N replies again
 *   stock N …                 sends on what stock knows of a frame: the commit token without its trailer (totem.md 12)
 *   trace FRAME … | none      ORF MCAST MERGE JOIN COMMIT CANCEL
 *   drop FRAME FROM>TO COUNT  cut FROM>TO …  heal
 *   disk N=SEQ …              the ring sequence that a node finds when it boots
 *   replay FRAME FROM>TO      all such frames sent so far arrive again, in order
 *   mcast N TEXT [xCOUNT] [BYTES]
 *   run MS
 *   delivered                 what each node's services have got since the last time
 *   statistic NAME N …
 *   status N …                state, ring, members, aru, high, delivered, released, send queues
 */
export class Story {
  private readonly ring = new StoryRing();

  /** Returns what happened. */
  execute(line: string): string[] {
    const [command, ...words] = line.trim().split(/\s+/);
    const { ring } = this;
    switch (command) {
      case 'set':
        for (const word of words) this.set(word);
        break;
      case 'boot':
        for (const word of words) ring.boot(Number(word));
        break;
      case 'crash':
        for (const word of words) ring.crash(Number(word));
        break;
      case 'died':
        for (const by of words.slice(1)) ring.died(Number(words[0]), Number(by));
        break;
      case 'silent':
        ring.silent(Number(words[0]), Number(words[1]), Number(words[2]));
        break;
      case 'leave':
        ring.leave(Number(words[0]));
        break;
      case 'pause':
        ring.pause(Number(words[0]), Number(words[1]));
        break;
      case 'stock':
        for (const word of words) ring.stock.add(Number(word));
        break;
      case 'trace':
        ring.traced.clear();
        if (words[0] !== 'none') for (const word of words) ring.traced.add(word as FrameName);
        break;
      case 'drop': {
        const [from, to] = words[1]!.split('>').map(Number);
        ring.drops.push({ frame: words[0] as FrameName, from: from!, to: to!, left: Number(words[2] ?? 1) });
        break;
      }
      case 'cut':
        for (const word of words) ring.cuts.add(word);
        break;
      case 'heal':
        ring.cuts.clear();
        ring.drops.length = 0;
        break;
      case 'disk':
        for (const word of words) {
          const [id, seq] = word.split('=').map(Number);
          ring.disk.set(id!, seq!);
        }
        break;
      case 'replay': {
        const [from, to] = words[1]!.split('>').map(Number);
        ring.replay(words[0] as FrameName, from!, to!);
        break;
      }
      case 'mcast':
        this.mcast(words);
        break;
      case 'run':
        ring.run(Number(words[0]));
        break;
      case 'delivered':
        return [...ring.nodes.values()].map((node) => `         ${node.id} got ${shorten(node.delivered.splice(0))}`);
      case 'statistic':
        return words
          .slice(1)
          .map((id) => `         ${id} ${words[0]} ${ring.statistic(Number(id), words[0] as StatisticName)}`);
      case 'status':
        return words.map((id) => `         ${ring.status(Number(id))}`);
      default:
        throw new Error(`unknown command: ${line}`);
    }
    return ring.takeStory();
  }

  private set(assignment: string): void {
    const [name, value] = assignment.split('=');
    if (name === 'diskMs') this.ring.diskMs = Number(value);
    else {
      if (!(name! in this.ring.timings)) throw new Error(`unknown timing ${name}`);
      const parsed = value === 'true' ? true : value === 'false' ? false : Number(value);
      this.ring.timings = { ...this.ring.timings, [name!]: parsed };
    }
  }

  private mcast(words: readonly string[]): void {
    const [id, text, ...options] = words;
    const count = Number(options.find((option) => option.startsWith('x'))?.slice(1) ?? 1);
    const bytes = Number(options.find((option) => !option.startsWith('x')) ?? 0);
    for (let i = 1; i <= count; i++) this.ring.mcast(Number(id), count === 1 ? text! : `${text}${i}`, bytes);
  }
}

/** `1:a1 1:a2 1:a3` becomes `1:a1..a3`. */
function shorten(items: readonly string[]): string {
  const runs: { head: string; from: number; to: number }[] = [];
  for (const item of items) {
    const [, head, digits] = /^(.*?)(\d*)$/.exec(item)!;
    const number = digits === '' ? Number.NaN : Number(digits);
    const last = runs.at(-1);
    if (last !== undefined && last.head === head && number === last.to + 1) last.to = number;
    else runs.push({ head: head!, from: number, to: number });
  }
  if (runs.length === 0) return 'nothing';
  return runs
    .map(({ head, from, to }) => {
      if (Number.isNaN(from)) return head;
      return from === to ? `${head}${from}` : `${head}${from}..${to}`;
    })
    .join(' ');
}
