/** What the page gets in its events, as JSON. Types only: the page, which knows no Node.js, shares them. */
export interface PageState {
  /** Wall clock, milliseconds; so are all moments here. */
  readonly at: number;
  readonly node: {
    readonly id: number;
    readonly name: string;
    readonly cluster: string;
    readonly transport: string;
    readonly encrypted: boolean;
    readonly version: string;
    readonly startedAt: number;
  };
  readonly ring: {
    readonly id: string;
    readonly members: readonly number[];
    readonly synchronised: boolean;
    readonly silentMs: number | null;
    readonly tokenMs: number;
    readonly visits: number;
  };
  readonly nodes: readonly PageNode[];
  readonly links: readonly PageLink[];
  readonly quorum: {
    readonly provider: string;
    readonly quorate: boolean;
    readonly total: number | null;
    readonly expected: number | null;
    readonly needed: number | null;
    readonly words: readonly string[];
  };
  readonly queue: { readonly used: number; readonly size: number; readonly level: number; readonly stalled: boolean };
  readonly clients: readonly { readonly service: string; readonly connections: number; readonly waiting: number }[];
  readonly pauses: { readonly count: number; readonly lastAt: number | null; readonly lastMs: number };
  readonly memory: { readonly resident: number };
  /** The newest first. */
  readonly changes: readonly PageChange[];
  readonly phases: readonly { readonly phase: string; readonly ms: number }[];
  /** Of the last second; `null` in the first one. */
  readonly sample: Sample | null;
}

/** What changes seldom and is large, in an event of its own. */
export interface PageMatrix {
  /** Every link as either end of it sees it, and what is wrong between two nodes, in words. */
  readonly matrix: readonly SeenPair[];
  readonly faults: readonly string[];
}

export interface PageNode {
  readonly id: number;
  readonly name: string;
  readonly local: boolean;
  readonly member: boolean;
  readonly votes: number | null;
}

export interface PageLink {
  readonly node: number;
  readonly link: number;
  readonly address: string;
  readonly connected: boolean;
  readonly latencyUs: number | null;
}

export interface SeenPair {
  readonly from: number;
  readonly to: number;
  readonly link: number;
  readonly up: boolean;
  readonly heard: boolean;
  readonly latencyUs: number;
}

export interface PageChange {
  readonly at: number;
  readonly ring: string;
  readonly members: readonly number[];
  readonly joined: readonly number[];
  readonly left: readonly number[];
  /** Why, in words; empty: not known, or not yet. */
  readonly why: string;
}

/** One second. Durations in milliseconds; `null`: nothing was measured. */
export interface Sample {
  readonly at: number;
  readonly tokens: number;
  readonly messages: number;
  readonly repeated: number;
  readonly rotation50: number | null;
  readonly rotation99: number | null;
  readonly delivery50: number | null;
  readonly delivery99: number | null;
}
