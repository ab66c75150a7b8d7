import { type CmapValue, cmapValueEquals, cmapValueText } from '../../lib/cmap-value.ts';
import type { Icmap } from '../icmap/index.ts';
import type { TotemConfig } from '../totem-config.ts';
import { changedFields, isEmpty } from './fields.ts';
import { RELOAD_PREFIXES } from './unchangeable.ts';

/** One key that a reload changes. */
export interface KeyChange {
  readonly kind: 'add' | 'modify' | 'delete';
  readonly key: string;
  readonly oldValue: CmapValue | null;
  readonly newValue: CmapValue | null;
}

/** What the commit of a staging map will change in the live map, in key order. */
export function diffMaps(live: Icmap, staging: Icmap): KeyChange[] {
  const changes: KeyChange[] = [];
  for (const { key, value } of staging.entries()) {
    const old = live.get(key) ?? null;
    if (old !== null && cmapValueEquals(old, value)) continue;
    changes.push({ kind: old === null ? 'add' : 'modify', key, oldValue: old, newValue: value });
  }
  for (const prefix of RELOAD_PREFIXES) {
    for (const { key, value } of live.entries(prefix)) {
      if (!staging.has(key)) changes.push({ kind: 'delete', key, oldValue: value, newValue: null });
    }
  }
  return changes.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** `totem.token: 3000 -> 5000`; keys with secrets show no value. */
export function keyChangeText({ key, oldValue, newValue }: KeyChange): string {
  const secret = key === 'totem.key';
  const text = (value: CmapValue | null): string =>
    value === null ? '(unset)' : secret ? '***' : cmapValueText(value);
  return `${key}: ${text(oldValue)} -> ${text(newValue)}`;
}

/** Differences between the ring's configuration before and after. */
export interface TotemDiff {
  /** Addresses of links that exist before and after: they cannot change in one step. */
  readonly addressChanges: readonly AddressChange[];
  readonly cryptoChanged: boolean;
}
export interface AddressChange {
  readonly nodeId: number;
  readonly linkId: number;
  readonly from: string;
  readonly to: string;
}

export function diffTotem(before: TotemConfig, after: TotemConfig): TotemDiff {
  return {
    addressChanges: addressChanges(before, after),
    cryptoChanged: !isEmpty(changedFields(before.crypto, after.crypto)),
  };
}

function addressChanges(before: TotemConfig, after: TotemConfig): AddressChange[] {
  const changes: AddressChange[] = [];
  for (const member of after.members) {
    const old = before.members.find(({ nodeId }) => nodeId === member.nodeId);
    for (const [linkId, to] of member.addresses.entries()) {
      const from = old?.addresses[linkId] ?? null;
      if (from === null || to === null || from === to) continue;
      changes.push({ nodeId: member.nodeId, linkId, from, to });
    }
  }
  return changes.sort((a, b) => a.linkId - b.linkId);
}
