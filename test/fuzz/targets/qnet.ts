import { QnetFramer } from '../../../src/qnet/framer.ts';
import { decodeQnet } from '../../../src/qnet/messages.ts';
import { ArbiterHarness } from '../../qnet/arbiter-harness.ts';
import { inputOf, step, stepsOf } from '../engine/records.ts';
import type { FuzzSubject } from '../engine/target.ts';
import { qnetMessages } from '../qnet-corpus.ts';

/** Steps: a message of a client; the timers of all; a certificate that is for somebody else. */
const MESSAGE = 0;
const TIMERS = 1;
const CERTIFICATE = 2;
const HANG_UP = 3;
const KINDS = 4;
const FRAME_BYTES_MAX = 1 << 15;

export const QNET_SUBJECT: FuzzSubject = {
  name: 'qnet',
  what: 'stories of four members of two clusters and a stranger with the arbiter; nothing of them stays when they have gone',
  kinds: KINDS,
  fields: (kind) => (kind === MESSAGE ? [1, 3, 7, 9, 11, 13, 15, 17, 19] : []),
  seeds: () => [
    ...qnetMessages().map((bytes) =>
      inputOf([step(MESSAGE, [0, ...bytes]), step(TIMERS), step(MESSAGE, [4, ...bytes])]),
    ),
    inputOf([step(CERTIFICATE, [0]), step(TIMERS), step(HANG_UP, [1]), step(TIMERS)]),
  ],
  run: (input) => {
    const harness = new ArbiterHarness();
    const members = [1, 2, 3, 4].map((id) => harness.join(id, { algorithm: id % 2 === 0 ? 1 : 3 }, `cluster${id % 2}`));
    const all = [...members, harness.connect()];
    const gone = new Set<number>();
    const states = new Set<string>();
    const framer = new QnetFramer(FRAME_BYTES_MAX);
    for (const { kind, bytes } of stepsOf(input)) {
      const at = (bytes[0] ?? 0) % all.length;
      const client = all[at]!;
      if (kind % KINDS === TIMERS) for (const armed of [...harness.timers]) harness.arbiter.timer(armed);
      else if (kind % KINDS === CERTIFICATE) harness.certificate = [true, false, null][(bytes[0] ?? 0) % 3]!;
      else if (kind % KINDS === HANG_UP) {
        if (!gone.has(at)) harness.arbiter.disconnected(client);
        gone.add(at);
      } else {
        const message = bytes.slice(1);
        for (let from = 0; from < message.length; ) {
          const taken = framer.take(message, from);
          if (taken === null) break;
          if (taken.framed.message !== null) decodeQnet(taken.framed.message);
          from = taken.next;
        }
        if (!gone.has(at)) harness.arbiter.received(client, message);
      }
      for (const { type } of harness.take(client)) states.add(`sent ${type}`);
    }
    all.forEach((client, at) => {
      if (!gone.has(at)) harness.arbiter.disconnected(client);
    });
    if (harness.arbiter.clusters.size > 0) throw new Error('a cluster without members');
    return [...states];
  },
};
