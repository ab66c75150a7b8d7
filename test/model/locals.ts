import type { TimerValue } from '../../src/totem/timer-table.ts';
import { FrameType, HEADER, isLittleEndian } from '../../src/totem/wire/header.ts';
import { readJoin } from '../../src/totem/wire/join.ts';
import type { ModelNode, Past } from './model-node.ts';

/** A state of one node: what it is and has shown, and the way back to it. */
export interface Local {
  readonly id: number;
  readonly alive: boolean;
  readonly past: Past;
  /** Members of its last view. */
  readonly members: readonly number[];
  readonly timers: readonly TimerValue[];
  /** What was found wrong when it came to this. */
  readonly violations: readonly string[];
  readonly restore: () => void;
}

export interface Sent {
  readonly to: number | 'all';
  readonly frame: number;
}

/** What an input makes of a node. */
export interface Step {
  readonly local: Local;
  readonly sent: readonly Sent[];
}

/** Frames by their content, numbered from 0. */
export class Frames {
  readonly all: Uint8Array[] = [];
  private readonly numbers = new Map<string, number>();

  numberOf(frame: Uint8Array): number {
    const text = textOf(frame);
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    this.numbers.set(text, this.all.length);
    return this.all.push(frame) - 1;
  }

  typeOf(number: number): number {
    return this.all[number]![HEADER.type]!;
  }
}

/** A JOIN says the same in whatever order its lists are. */
function textOf(frame: Uint8Array): string {
  if (frame[HEADER.type] !== FrameType.JOIN) return Buffer.from(frame).toString('latin1');
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const { proc, failed, ...rest } = readJoin(view, 0, isLittleEndian(view, 0));
  return JSON.stringify([rest, [...proc].sort(), [...failed].sort()]);
}

/**
 * The states that one node has been in, and what each input made of each: a core is run once for each pair of those, however many states of the other nodes
 * and lines it comes with. What a core does depends on its own variables and the input only: it has no clock here, and its dice always say the same.
 */
export class Locals {
  readonly all: Local[] = [];
  private readonly byText = new Map<string, Local>();
  private readonly steps = new Map<string, Step>();
  /** The state that the real node is in. */
  private current: Local | null = null;
  private outbox: Sent[] = [];

  constructor(
    private readonly node: ModelNode,
    private readonly frames: Frames,
  ) {}

  /** What the node sends while it takes a step. */
  send(to: number | 'all', frame: Uint8Array): void {
    this.outbox.push({ to, frame: this.frames.numberOf(frame) });
  }

  /** The real node is in this state from here on. */
  enter(local: Local): void {
    if (this.current === local) return;
    local.restore();
    this.current = local;
  }

  /** The real node is used for something else. */
  leave(): void {
    this.current = null;
  }

  /** The state that the real node is in. */
  here(): Local {
    const { node } = this;
    const text = node.describe();
    const wrong = node.violations.splice(0);
    let local = wrong.length === 0 ? this.byText.get(text) : undefined;
    if (local === undefined) {
      const members = node.view?.members ?? [];
      const { past, alive, timers } = node;
      local = { id: this.all.length, alive, past, members, timers, violations: wrong, restore: node.save() };
      this.all.push(local);
      if (wrong.length === 0) this.byText.set(text, local);
    }
    this.current = local;
    return local;
  }

  /** `input` names what `run` does to the node. */
  step(local: Local, input: string, run: (node: ModelNode) => void): Step {
    const name = `${local.id} ${input}`;
    let step = this.steps.get(name);
    if (step === undefined) {
      this.enter(local);
      this.outbox = [];
      this.current = null; // until it is known which one it is
      run(this.node);
      step = { local: this.here(), sent: this.outbox };
      this.steps.set(name, step);
    }
    return step;
  }
}
