import { failureText } from '../lib/failure.ts';
import { readAuthorities } from './authorities.ts';
import { commandDelivery } from './command.ts';
import { dbusDelivery } from './dbus.ts';
import { type ClusterEvent, eventName, type Notice, PRIORITY } from './notice.ts';
import { QueueReceiver } from './queue.ts';
import { type NoticeReceiver, QueuedReceiver } from './receiver.ts';
import { snmpDelivery } from './snmp.ts';
import { parseTarget, TARGETS_MAX, type Target } from './target.ts';
import { type Authorities, webhookDelivery } from './webhook.ts';

export interface NotifierOptions {
  readonly host: string;
  readonly nodeId: number;
  /** Monotonic, milliseconds. */
  nowMs(): number;
  /** What goes wrong with a target. */
  complain(target: string, text: string): void;
  /** File with the certificates of the authorities that servers of webhooks are checked against, instead of those that Node.js knows. */
  readonly authorityFile?: string | null;
  /** Throws when others could change a file by which this process acts: a command, the authorities. */
  checkFile?(path: string): void;
}

/** Numbers events and hands them to everybody who wants them. */
export class Notifier {
  private readonly receivers: NoticeReceiver[] = [];
  private readonly startedMs: number;
  private readonly epoch = Date.now().toString(36);
  private seq = 0;
  private authorities: Authorities = null;

  constructor(private readonly options: NotifierOptions) {
    this.startedMs = options.nowMs();
  }

  /** @throws Error: it is no target, there are too many, or the file of the authorities cannot serve. */
  add(text: string): void {
    if (this.receivers.length >= TARGETS_MAX) throw new TypeError(`there are more than ${TARGETS_MAX} targets`);
    this.receivers.push(this.receiverOf(text, parseTarget(text)));
  }

  notify(event: ClusterEvent): Notice {
    const { host, nodeId } = this.options;
    const name = eventName(event);
    const seq = ++this.seq;
    const id = `${nodeId}-${this.epoch}-${seq}`;
    const notice = { id, seq, timeMs: Date.now(), host, nodeId, name, priority: PRIORITY[name], event };
    for (const receiver of this.receivers) receiver.notify(notice);
    return notice;
  }

  close(): void {
    for (const receiver of this.receivers) receiver.close();
  }

  private receiverOf(text: string, target: Target): NoticeReceiver {
    const { nowMs, complain, checkFile } = this.options;
    const shown = target.kind === 'webhook' ? withoutSecrets(target.url) : text;
    const trouble = (why: string): void => complain(shown, why);
    switch (target.kind) {
      case 'queue':
        return new QueueReceiver(target, trouble, nowMs);
      case 'command': {
        const { path } = target;
        const check = checkFile === undefined ? {} : { check: checkFile };
        return new QueuedReceiver(shown, commandDelivery({ path, ...check }), trouble);
      }
      case 'webhook':
        return new QueuedReceiver(shown, webhookDelivery(target.url, this.authoritiesFor(target.url, shown)), trouble);
      case 'dbus':
        return new QueuedReceiver(shown, dbusDelivery(), trouble);
      case 'snmp':
        return new QueuedReceiver(
          shown,
          snmpDelivery(target, () => nowMs() - this.startedMs),
          trouble,
        );
    }
  }

  private authoritiesFor(url: string, shown: string): Authorities {
    const { authorityFile, checkFile } = this.options;
    if (authorityFile == null || !url.startsWith('https:')) return null;
    try {
      checkFile?.(authorityFile);
      this.authorities ??= readAuthorities(authorityFile);
      return this.authorities;
    } catch (error) {
      throw new TypeError(`${shown}: its server could not be checked: ${failureText(error)}`);
    }
  }
}

/** A webhook's user, password and query are secrets often enough: they are not logged. */
function withoutSecrets(text: string): string {
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname}`;
}
