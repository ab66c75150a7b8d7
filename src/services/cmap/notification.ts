import type { TrackEventCode } from '../../config/icmap/index.ts';
import type { CmapValue } from '../../lib/cmap-value.ts';
import * as wire from '../codec/cmap.ts';
import { nameValue } from '../codec/fields.ts';
import { viewOf } from '../codec/struct.ts';

const NO_BYTES = new Uint8Array(0);
const COOKIE_AT = wire.CMAP_NOTIFY.fields.cookie.parts[0]!.offset;

/**
 * The event of a change. Trackers of one change get the same message but for their cookie, so it is made once: a user may have thousands of trackers on
 * a key.
 */
export class Notification {
  private event = 0;
  private key = '';
  private newValue: CmapValue | null = null;
  private oldValue: CmapValue | null = null;
  private message: Uint8Array = NO_BYTES;

  /** Valid until the next call. */
  of(
    cookie: bigint,
    event: TrackEventCode,
    key: string,
    newValue: CmapValue | null,
    oldValue: CmapValue | null,
  ): Uint8Array {
    const made = this.event === event && this.newValue === newValue && this.oldValue === oldValue && this.key === key;
    if (!made) this.make(event, key, newValue, oldValue);
    viewOf(this.message).setBigUint64(COOKIE_AT, cookie, true);
    return this.message;
  }

  /** Wipes the message: of a secret nothing stays behind. */
  forget(): void {
    this.message.fill(0);
    this.event = 0;
    this.newValue = null;
    this.oldValue = null;
  }

  private make(event: TrackEventCode, key: string, newValue: CmapValue | null, oldValue: CmapValue | null): void {
    this.event = event;
    this.key = key;
    this.newValue = newValue;
    this.oldValue = oldValue;
    const newBytes = newValue?.bytes ?? NO_BYTES;
    const oldBytes = oldValue?.bytes ?? NO_BYTES;
    const fields = {
      cookie: 0n,
      key: nameValue(key),
      event,
      newType: newValue?.type ?? 0,
      oldType: oldValue?.type ?? 0,
      newBytes: newBytes.length,
      oldBytes: oldBytes.length,
    };
    const tail = new Uint8Array(newBytes.length + oldBytes.length);
    tail.set(newBytes);
    tail.set(oldBytes, newBytes.length);
    this.message = wire.CMAP_NOTIFY.ok(fields, tail);
    tail.fill(0); // the message is the only copy
  }
}
