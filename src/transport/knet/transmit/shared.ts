import { type CipherName, DIGEST_BYTES, type HashName } from '../../../knet/crypto.ts';
import { TxPackets } from '../../../knet/tx-queue.ts';
import { assert } from '../../../lib/assert.ts';
import { KEY_BYTES_MAX } from '../../../lib/knet-facts.ts';
import type { TransmitBuffers } from '../../../lib/transmit-buffers.ts';
import { LINK_ENDS_MAX, LinkEnds } from './link-ends.ts';

/** Jobs that are under way at most. */
export const JOBS = 32;
/** A word for each field of a job. */
const JOB_WORDS = 5;
const HEAD_WORDS = 6;

/** Words that both sides wait on, or look at. */
const Word = {
  /** Jobs given out so far. */
  POSTED: 0,
  /** Jobs done so far, in their order. */
  DONE: 1,
  /** 1: there are troubles to pass on. */
  NEWS: 2,
  /** 1: a socket has an entry in its error queue. */
  PENDING_ERROR: 3,
  /** 1: a thread has failed, and the others end, too. */
  FAILED: 4,
  /** Threads that have ended, however. */
  ENDED: 5,
} as const;

export const JobKind = { SEND: 1, LOAD: 2, FORGET: 3, STOP: 4 } as const;

/** What a thread does next. */
export interface TransmitJob {
  kind: number;
  /** SEND: which queue, what it holds. */
  queue: number;
  packets: number;
  runs: number;
  /** By which suite, 0: none; LOAD, FORGET: of which suite. */
  suite: number;
}

/** By link: failures by kind of packet, repetitions by kind, and one word for each of the others. */
const Trouble = { FAILED: 0, RETRIED: 4, TOO_BIG: 8, UNREACHABLE: 9 } as const;
const TROUBLE_WORDS = 10;
const KINDS = 4;

const Place = { ADDRESS: 0, BYTES: 1, NAMES_AT: 2, ROOM_AT: 3, ROOM_BYTES: 4 } as const;
const PLACES = 5;

const CIPHERS: readonly CipherName[] = ['none', 'aes128', 'aes192', 'aes256', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr'];
const HASHES = Object.keys(DIGEST_BYTES) as readonly HashName[];
const KEY_WORDS = 3;

/** How many transmit threads there can be: numbers of jobs are shared out by their lowest bits. */
export const TRANSMIT_THREADS = [0, 1, 2, 4] as const;
const QUEUES_BESIDE_THREADS = 2;
/** Whoever waits longer waits for a thread that is gone. */
const WAIT_MS_MAX = 10_000;
const LOOK_MS = 1_000;
/** How long the ring thread, which closes the sockets, waits for the others when one has failed. */
const ENDS_MS_MAX = 1_000;

const WORD = Int32Array.BYTES_PER_ELEMENT;
const DOUBLE = Float64Array.BYTES_PER_ELEMENT;
const CONTROL_WORDS = HEAD_WORDS + JOBS * JOB_WORDS;

export function allocateTransmit(threads: number): TransmitBuffers {
  assert(threads > 0 && (TRANSMIT_THREADS as readonly number[]).includes(threads), 'a number of threads that can be');
  return {
    threads,
    control: new SharedArrayBuffer((PLACES + JOBS) * DOUBLE + CONTROL_WORDS * WORD),
    ends: new SharedArrayBuffer(LinkEnds.BYTES),
    troubles: new SharedArrayBuffer(LINK_ENDS_MAX * TROUBLE_WORDS * WORD),
    key: new SharedArrayBuffer(KEY_WORDS * WORD + KEY_BYTES_MAX),
    queues: Array.from({ length: threads + QUEUES_BESIDE_THREADS }, () => new TxPackets().shared),
  };
}

/** Where the arena is, and what of it belongs to whom. */
export interface TransmitPlace {
  readonly address: number;
  readonly byteLength: number;
  /** Offset of the links' addresses. */
  readonly namesAt: number;
  /** Room for each thread's messages, one behind the other. */
  readonly roomAt: number;
  readonly roomBytes: number;
}

/**
 * What the ring thread and its transmit threads tell each other. Jobs have numbers; job n belongs to thread n modulo their number, so several
 * are sealed at the same time, and each is sent when those before it are: whatever the number of threads, packets leave in the order of queueing.
 *
 *   ring thread    fill a queue ── post(n) ── fill the next ── post(n + 1) ── …        waits only when all queues are under way
 *   thread 0                        seal n ───── send n, done
 *   thread 1                                        seal n + 1 ── wait for n ── send n + 1, done
 */
export class TransmitShared {
  readonly threads: number;
  private readonly words: Int32Array;
  private readonly jobs: Int32Array;
  private readonly places: Float64Array;
  private readonly nanoseconds: Float64Array;
  private readonly troubles: Int32Array;
  private readonly keyWords: Int32Array;
  private readonly keyBytes: Uint8Array;

  constructor({ threads, control, troubles, key }: TransmitBuffers) {
    this.threads = threads;
    this.places = new Float64Array(control, 0, PLACES);
    this.nanoseconds = new Float64Array(control, PLACES * DOUBLE, JOBS);
    const at = (PLACES + JOBS) * DOUBLE;
    this.words = new Int32Array(control, at, HEAD_WORDS);
    this.jobs = new Int32Array(control, at + HEAD_WORDS * WORD, JOBS * JOB_WORDS);
    this.troubles = new Int32Array(troubles);
    this.keyWords = new Int32Array(key, 0, KEY_WORDS);
    this.keyBytes = new Uint8Array(key, KEY_WORDS * WORD);
  }

  // ---- jobs ----

  get done(): number {
    return Atomics.load(this.words, Word.DONE);
  }

  /** TransmitJob number `n`; the threads see it at once. At most JOBS may be under way. */
  post(n: number, job: TransmitJob): void {
    assert(((n - this.done) | 0) < JOBS, 'there is room for a job');
    const at = (n & (JOBS - 1)) * JOB_WORDS;
    this.jobs[at] = job.kind;
    this.jobs[at + 1] = job.queue;
    this.jobs[at + 2] = job.packets;
    this.jobs[at + 3] = job.runs;
    this.jobs[at + 4] = job.suite;
    Atomics.store(this.words, Word.POSTED, (n + 1) | 0);
    Atomics.notify(this.words, Word.POSTED);
  }

  /** Waits for job `n` and copies it. `false`: a thread has failed, and there are no more jobs. */
  take(n: number, job: TransmitJob): boolean {
    for (let posted = this.posted; ((posted - n) | 0) <= 0; posted = this.posted) {
      if (this.hasFailed) return false;
      Atomics.wait(this.words, Word.POSTED, posted, LOOK_MS);
    }
    if (this.hasFailed) return false;
    const at = (n & (JOBS - 1)) * JOB_WORDS;
    job.kind = this.jobs[at]!;
    job.queue = this.jobs[at + 1]!;
    job.packets = this.jobs[at + 2]!;
    job.runs = this.jobs[at + 3]!;
    job.suite = this.jobs[at + 4]!;
    return true;
  }

  private get posted(): number {
    return Atomics.load(this.words, Word.POSTED);
  }

  /** Waits until all jobs before `n` are done. `false`: a thread has failed. Throws when nothing comes to pass. */
  awaitDone(n: number): boolean {
    let waited = 0;
    for (let done = this.done; ((done - n) | 0) < 0; done = this.done) {
      if (this.hasFailed) return false;
      if (Atomics.wait(this.words, Word.DONE, done, LOOK_MS) !== 'timed-out') continue;
      waited += LOOK_MS;
      if (waited < WAIT_MS_MAX) continue;
      this.fail(); // nobody waits for it again
      throw new Error(`a transmit thread has not sent for ${WAIT_MS_MAX} ms`);
    }
    return true;
  }

  /** TransmitJob `n` is done; sealing took so many nanoseconds. Those before it are. */
  finish(n: number, ns: number): void {
    this.nanoseconds[n & (JOBS - 1)] = ns;
    Atomics.store(this.words, Word.DONE, (n + 1) | 0);
    Atomics.notify(this.words, Word.DONE);
  }

  // ---- failure ----

  /** A thread has failed: those that wait, for jobs or for others, do so no more. */
  fail(): void {
    Atomics.store(this.words, Word.FAILED, 1);
    Atomics.notify(this.words, Word.POSTED);
    Atomics.notify(this.words, Word.DONE);
  }

  get hasFailed(): boolean {
    return Atomics.load(this.words, Word.FAILED) !== 0;
  }

  /** A thread is no more. */
  noteEnded(): void {
    Atomics.add(this.words, Word.ENDED, 1);
    Atomics.notify(this.words, Word.ENDED);
  }

  get haveEnded(): boolean {
    return this.ended >= this.threads;
  }

  /** Waits until no thread is in the arena, or at the sockets, any more; not for ever. */
  awaitEnds(): void {
    const endMs = performance.now() + ENDS_MS_MAX;
    for (let ended = this.ended; ended < this.threads && performance.now() < endMs; ended = this.ended)
      Atomics.wait(this.words, Word.ENDED, ended, endMs - performance.now());
  }

  private get ended(): number {
    return Atomics.load(this.words, Word.ENDED);
  }

  nanosecondsOf(n: number): number {
    return this.nanoseconds[n & (JOBS - 1)]!;
  }

  // ---- place and key ----

  setPlace(place: TransmitPlace): void {
    this.places[Place.ADDRESS] = place.address;
    this.places[Place.BYTES] = place.byteLength;
    this.places[Place.NAMES_AT] = place.namesAt;
    this.places[Place.ROOM_AT] = place.roomAt;
    this.places[Place.ROOM_BYTES] = place.roomBytes;
  }

  get place(): TransmitPlace {
    const { places } = this;
    return {
      address: places[Place.ADDRESS]!,
      byteLength: places[Place.BYTES]!,
      namesAt: places[Place.NAMES_AT]!,
      roomAt: places[Place.ROOM_AT]!,
      roomBytes: places[Place.ROOM_BYTES]!,
    };
  }

  /** For LOAD: read by each thread, then wiped by who has put it there. */
  putKey(cipher: CipherName, hash: HashName, key: Uint8Array): void {
    this.keyWords[0] = CIPHERS.indexOf(cipher);
    this.keyWords[1] = HASHES.indexOf(hash);
    this.keyWords[2] = key.length;
    this.keyBytes.set(key);
  }

  withKey<Result>(use: (cipher: CipherName, hash: HashName, key: Uint8Array) => Result): Result {
    const cipher = CIPHERS[this.keyWords[0]!];
    const hash = HASHES[this.keyWords[1]!];
    assert(cipher !== undefined && hash !== undefined, 'a suite that putKey wrote');
    const key = this.keyBytes.slice(0, this.keyWords[2]!);
    try {
      return use(cipher, hash, key);
    } finally {
      key.fill(0);
    }
  }

  wipeKey(): void {
    this.keyBytes.fill(0);
    this.keyWords.fill(0);
  }

  // ---- troubles ----

  private note(link: number, word: number, amount: number): void {
    Atomics.add(this.troubles, link * TROUBLE_WORDS + word, amount);
    Atomics.store(this.words, Word.NEWS, 1);
  }

  noteFailed(link: number, kind: number, packets: number): void {
    this.note(link, Trouble.FAILED + kind, packets);
  }
  noteRetried(link: number, kind: number): void {
    this.note(link, Trouble.RETRIED + kind, 1);
  }
  noteTooBig(link: number): void {
    this.note(link, Trouble.TOO_BIG, 1);
  }
  noteUnreachable(link: number): void {
    this.note(link, Trouble.UNREACHABLE, 1);
  }
  notePendingError(): void {
    Atomics.store(this.words, Word.PENDING_ERROR, 1);
    Atomics.store(this.words, Word.NEWS, 1);
  }

  get hasNews(): boolean {
    return Atomics.load(this.words, Word.NEWS) !== 0;
  }

  /** Hands over what was noted since the last time, of links below `links`. */
  takeNews(links: number, to: NewsTaker): void {
    Atomics.store(this.words, Word.NEWS, 0);
    if (Atomics.exchange(this.words, Word.PENDING_ERROR, 0) !== 0) to.pendingErrors();
    for (let link = 0; link < links; link++) {
      for (let kind = 0; kind < KINDS; kind++) {
        const failed = this.takeWord(link, Trouble.FAILED + kind);
        if (failed > 0) to.failed(link, kind, failed);
        for (let retried = this.takeWord(link, Trouble.RETRIED + kind); retried > 0; retried--) to.retried(link, kind);
      }
      if (this.takeWord(link, Trouble.TOO_BIG) > 0) to.tooBig(link);
      if (this.takeWord(link, Trouble.UNREACHABLE) > 0) to.unreachable(link);
    }
  }

  private takeWord(link: number, word: number): number {
    const at = link * TROUBLE_WORDS + word;
    return this.troubles[at] === 0 ? 0 : Atomics.exchange(this.troubles, at, 0);
  }
}

/** What the ring thread does with the troubles of transmit threads. */
export interface NewsTaker {
  pendingErrors(): void;
  failed(link: number, kind: number, packets: number): void;
  retried(link: number, kind: number): void;
  tooBig(link: number): void;
  unreachable(link: number): void;
}
