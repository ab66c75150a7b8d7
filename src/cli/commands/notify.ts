import { hostname } from 'node:os';
import { failureText } from '../../lib/failure.ts';
import { printable } from '../../lib/printable.ts';
import { readAuthorities } from '../../notify/authorities.ts';
import { EVENT_KINDS, type EventKind, noticeJson, noticeText } from '../../notify/notice.ts';
import { Notifier } from '../../notify/notifier.ts';
import { parseTarget, TARGET_FORMS, TARGETS_MAX } from '../../notify/target.ts';
import { ClusterWatch } from '../cluster-watch.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit, UsageError } from '../exit-codes.ts';

const KINDS_DEFAULT = 'quorum,node,link,daemon';
/** A trouble of the same target is reported again after this time. */
const COMPLAINT_MS = 10_000;

function kindsOf(text: string): readonly EventKind[] {
  return text.split(',').map((word) => {
    const kind = EVENT_KINDS.find((name) => name === word);
    if (kind === undefined) throw new UsageError(`--events: '${word}' is none of ${EVENT_KINDS.join(', ')}`, 'notify');
    return kind;
  });
}

/** What would fail later is found before anything is watched. */
function checkArguments(targets: readonly string[], authorityFile: string | null): void {
  try {
    for (const target of targets) parseTarget(target);
    if (authorityFile !== null) readAuthorities(authorityFile);
  } catch (error) {
    throw new UsageError(failureText(error), 'notify');
  }
}

/** Complains of each target at most once in a while. */
function complaints({ io }: CommandContext): (target: string, text: string) => void {
  const last = new Map<string, number>();
  return (target, text) => {
    const now = performance.now();
    if (now - (last.get(target) ?? Number.NEGATIVE_INFINITY) < COMPLAINT_MS) return;
    last.set(target, now);
    io.err(`rondo: ${printable(`${target}: ${text}`)}\n`);
  };
}

async function notify(context: CommandContext): Promise<number> {
  const { positionals, values, io, connect, json } = context;
  const authorityFile = typeof values['ca'] === 'string' ? values['ca'] : null;
  checkArguments(positionals, authorityFile);
  const kinds = kindsOf(typeof values['events'] === 'string' ? values['events'] : KINDS_DEFAULT);
  const notifier: { current: Notifier | null } = { current: null };
  const watch = new ClusterWatch({
    connect,
    kinds,
    begun: (nodeId) => {
      const made = new Notifier({
        host: hostname(),
        nodeId,
        nowMs: () => performance.now(),
        authorityFile,
        complain: complaints(context),
      });
      notifier.current = made;
      for (const target of positionals) made.add(target);
    },
    event: (event) => {
      const notice = notifier.current?.notify(event);
      if (notice === undefined) return;
      if (positionals.length === 0 || values['print'] === true)
        io.out(`${json ? noticeJson(notice, 0) : noticeText(notice)}\n`);
    },
  });
  try {
    await watch.run(io.signal);
    return CliExit.OK;
  } finally {
    notifier.current?.close();
  }
}

export const NOTIFY_COMMAND: Command = {
  words: 'notify',
  arguments: '[TARGET…]',
  summary: 'send changes of quorum, nodes, links, processes and clients to commands, webhooks, D-Bus, SNMP, queues',
  details: `Until interrupted, through restarts of the daemon, too. A target is one of ${TARGET_FORMS}; without one the events are printed. What each gets: docs/notify.md.`,
  options: { events: { type: 'string', short: 'e' }, ca: { type: 'string' }, print: { type: 'boolean', short: 'p' } },
  optionHelp: [
    { flag: '-e, --events KIND,…', text: `which: ${EVENT_KINDS.join(', ')} (default ${KINDS_DEFAULT})` },
    {
      flag: '--ca FILE',
      text: 'authorities that servers of https targets are checked against, PEM, instead of those that Node.js knows',
    },
    { flag: '-p, --print', text: 'print the events as well' },
  ],
  examples: ['rondo notify --json', 'rondo notify mq:/rondo exec:/usr/local/sbin/on-cluster-event'],
  positionals: [0, TARGETS_MAX],
  run: notify,
};
