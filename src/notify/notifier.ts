import { commandDelivery } from './command.ts';
import { dbusDelivery } from './dbus.ts';
import { type ClusterEvent, eventName, type Notice, PRIORITY } from './notice.ts';
import { QueueReceiver } from './queue.ts';
import { type NoticeReceiver, QueuedReceiver } from './receiver.ts';
import { snmpDelivery } from './snmp.ts';
import { parseTarget, TARGETS_MAX, type Target } from './target.ts';
import { webhookDelivery } from './webhook.ts';

export interface NotifierOptions {
  readonly host: string;
  readonly nodeId: number;
  /** Monotonic, milliseconds. */
  nowMs(): number;
  /** What goes wrong with a target. */
  complain(target: string, text: string): void;
  /** Throws when a command must not be run. */
  checkCommand?(path: string): void;
}

/** Numbers events and hands them to everybody who wants them. */
export class Notifier {
  private readonly receivers: NoticeReceiver[] = [];
  private readonly startedMs: number;
  private readonly epoch = Date.now().toString(36);
  private seq = 0;

  constructor(private readonly options: NotifierOptions) {
    this.startedMs = options.nowMs();
  }

  /** @throws TypeError: it is no target, or there are too many. */
  add(text: string): void {
    if (this.receivers.length >= TARGETS_MAX) throw new TypeError(`there are more than ${TARGETS_MAX} targets`);
    this.receivers.push(this.receiverOf(text, parseTarget(text)));
  }

  get empty(): boolean {
    return this.receivers.length === 0;
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
    const { nowMs, complain, checkCommand } = this.options;
    const shown = target.kind === 'webhook' ? withoutSecrets(target.url) : text;
    const trouble = (why: string): void => complain(shown, why);
    switch (target.kind) {
      case 'queue':
        return new QueueReceiver(target, trouble, nowMs);
      case 'command': {
        const { path } = target;
        const check = checkCommand === undefined ? {} : { check: checkCommand };
        return new QueuedReceiver(shown, commandDelivery({ path, ...check }), trouble);
      }
      case 'webhook':
        return new QueuedReceiver(shown, webhookDelivery(target.url), trouble);
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
}

/** A webhook's user, password and query are secrets often enough: they are not logged. */
function withoutSecrets(text: string): string {
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname}`;
}
