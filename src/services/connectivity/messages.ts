import type { ConnectivityView, SeenLink } from '../../lib/connectivity.ts';
import { chars, type Element, u32 } from '../codec/fields.ts';
import { encodeList, execStruct } from '../codec/struct.ts';

/** Below the ids of loadable engines, above stock's, as that of the agreement: a stock daemon drops the messages without a word. */
export const CONNECTIVITY_SERVICE_ID = 13;
/** A node of 128 with eight links to each other one: what goes beyond is not sent. */
export const VIEW_LINKS_MAX = 1016;
const VERSION = 1;
const TEXT_BYTES = 32;
const KEY_ID_BYTES = 16;
const Flag = { UP: 1, HEARD: 2 } as const;

const LINK_ELEMENT: Element<SeenLink> = {
  bytes: 20,
  read: (view, at) => {
    const flags = view.getUint8(at + 5);
    return {
      peerId: view.getUint32(at, true),
      link: view.getUint8(at + 4),
      up: (flags & Flag.UP) !== 0,
      heard: (flags & Flag.HEARD) !== 0,
      latencyUs: view.getUint32(at + 8, true),
      mtu: view.getUint32(at + 12, true),
      downs: view.getUint32(at + 16, true),
    };
  },
  write: (view, at, { peerId, link, up, heard, latencyUs, mtu, downs }) => {
    view.setUint32(at, peerId, true);
    view.setUint8(at + 4, link);
    view.setUint8(at + 5, (up ? Flag.UP : 0) + (heard ? Flag.HEARD : 0));
    view.setUint32(at + 8, latencyUs, true);
    view.setUint32(at + 12, mtu, true);
    view.setUint32(at + 16, downs, true);
  },
};

const VIEW = execStruct(
  CONNECTIVITY_SERVICE_ID,
  0,
  'connectivity view',
  128,
  {
    version: u32('version', 16),
    linkCount: u32('links', 24),
    configuration: chars('configuration', 32, TEXT_BYTES),
    program: chars('program', 64, TEXT_BYTES),
    key: chars('key', 96, KEY_ID_BYTES),
    keyFile: chars('key_file', 112, KEY_ID_BYTES),
  },
  { name: 'links', offset: 128 },
);
export const CONNECTIVITY_MESSAGES = { view: VIEW } as const;

export function encodeView({ configuration, version, key, keyFile, links }: Omit<ConnectivityView, 'nodeId'>): {
  readonly values: Parameters<typeof VIEW.message>[0];
  readonly tail: Uint8Array;
} {
  const sent = links.slice(0, VIEW_LINKS_MAX);
  const values = { version: VERSION, linkCount: sent.length, configuration, program: version, key, keyFile };
  return { values, tail: encodeList(sent, LINK_ELEMENT) };
}

/** `null`: it is not one, or has fewer links than it says. */
export function decodeView(payload: Uint8Array, nodeId: number): ConnectivityView | null {
  const values = VIEW.decode(payload);
  if (values === null || values.version < VERSION || values.linkCount > VIEW_LINKS_MAX) return null;
  const links = VIEW.tailList(payload, values.linkCount, LINK_ELEMENT);
  if (links === null) return null;
  const { configuration, program: version, key, keyFile } = values;
  return { nodeId, configuration, version, key, keyFile, links };
}
