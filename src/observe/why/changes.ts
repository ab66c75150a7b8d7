import { END_CAUSES, type FlightRecord, type FlightRecordOf } from '../flight/index.ts';
import type { DaemonLife, MembershipChange } from './change.ts';
import { describeChange } from './describe.ts';
import { type Draft, ofKind } from './draft.ts';

/** All membership changes that the records tell of, oldest first. Pure: what is said is a function of the records. */
export function membershipChanges(records: readonly FlightRecord[]): readonly MembershipChange[] {
  const scan = new Scan();
  for (const record of records) scan.add(record);
  return scan.end().map(describeChange);
}

/** Cuts the records into changes. */
class Scan {
  private readonly drafts: Draft[] = [];
  private life = -1;
  private current: Draft | null = null;
  private earlier: FlightRecord[] = [];
  private quorum: FlightRecordOf<'quorum'> | null = null;
  private timings: FlightRecordOf<'timings'> | null = null;
  private links = new Map<string, FlightRecordOf<'link'>>();
  private first = true;

  add(record: FlightRecord): void {
    if (record.life !== this.life) this.beginLife(record.life);
    const { current } = this;
    if (record.kind === 'gather' && (current === null || current.formed)) this.begin(record);
    else if (record.kind === 'commit' && (current === null || current.formed)) this.begin(record);
    else {
      current?.records.push(record);
      this.earlier.push(record);
    }
    this.note(record);
  }

  end(): readonly Draft[] {
    return this.drafts;
  }

  private note(record: FlightRecord): void {
    if (record.kind === 'operational' && this.current !== null) {
      this.current.formed = true;
      this.earlier = [];
    }
    if (record.kind === 'quorum') this.quorum = record;
    if (record.kind === 'timings') this.timings = record;
    if (record.kind === 'link') this.links.set(`${record.node} ${record.link}`, record);
  }

  private begin(begin: Draft['begin']): void {
    const { earlier, quorum: quorumBefore, timings, first } = this;
    const links = [...this.links.values()];
    const draft = { begin, earlier, records: [begin], quorumBefore, timings, links, first, formed: false };
    this.current = draft;
    this.earlier = [];
    this.drafts.push(draft);
    this.first = false;
  }

  private beginLife(life: number): void {
    this.life = life;
    this.current = null;
    this.earlier = [];
    this.quorum = null;
    this.links.clear();
    this.first = true;
  }
}

/** The runs of the daemon that the records tell of, oldest first. */
export function daemonLives(records: readonly FlightRecord[]): readonly DaemonLife[] {
  const lives = [...new Set(records.map(({ life }) => life))];
  return lives.map((life) => {
    const own = records.filter((record) => record.life === life);
    const [start] = ofKind(own, 'start');
    const end = ofKind(own, 'end').at(-1);
    return {
      life,
      startedMs: start?.wallMs ?? own[0]?.wallMs ?? 0,
      version: start?.version ?? '',
      pid: start?.pid ?? 0,
      end:
        end === undefined
          ? null
          : { cause: END_CAUSES[end.cause] ?? '?', status: end.status, reason: end.reason, wallMs: end.wallMs },
      lastMs: own.at(-1)?.wallMs ?? 0,
    };
  });
}
