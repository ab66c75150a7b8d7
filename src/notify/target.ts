/** Where notices go. */
export type Target =
  | { readonly kind: 'command'; readonly path: string }
  | { readonly kind: 'webhook'; readonly url: string }
  | { readonly kind: 'dbus' }
  | { readonly kind: 'snmp'; readonly host: string; readonly port: number; readonly community: string }
  | { readonly kind: 'queue'; readonly name: string; readonly mode: number };

export const SNMP_TRAP_PORT = 162;
export const SNMP_COMMUNITY = 'public';
/** Each has its own queue and, at most, one delivery under way. */
export const TARGETS_MAX = 8;
const QUEUE_NAME = /^\/[^/\0]{1,254}$/;
const QUEUE_MODE = 0o600;

/** Forms of a target, for messages and the manual. */
export const TARGET_FORMS =
  'exec:/PATH, http://…, https://…, dbus:, snmp:HOST[:PORT][?community=NAME], mq:/NAME[?mode=OCTAL]';

/** @throws TypeError, with what is wrong and what would be right. */
export function parseTarget(text: string): Target {
  if (/^https?:\/\//i.test(text)) return { kind: 'webhook', url: webhookUrl(text) };
  const colon = text.indexOf(':');
  const rest = text.slice(colon + 1);
  switch (colon < 0 ? '' : text.slice(0, colon)) {
    case 'exec':
      if (!rest.startsWith('/')) throw wrong(text, 'the path of the command begins with a slash');
      return { kind: 'command', path: rest };
    case 'dbus':
      if (rest !== '') throw wrong(text, 'nothing stands behind dbus:');
      return { kind: 'dbus' };
    case 'snmp':
      return snmpTarget(text, rest);
    case 'mq':
      return queueTarget(text, rest);
    default:
      throw wrong(text, `a target is one of ${TARGET_FORMS}`);
  }
}

/** The targets of `system.notify`, which stand behind each other. */
export const targetWords = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== '');

function webhookUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw wrong(text, 'that is no URL');
  }
  if (url.hash !== '') throw wrong(text, 'a fragment (#) is not sent');
  return url.href;
}

function snmpTarget(text: string, rest: string): Target {
  const { place, options } = withOptions(text, rest, ['community']);
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+))(?::(\d{1,5}))?$/.exec(place) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) throw wrong(text, 'HOST is a name or an address, an IPv6 address in [brackets]');
  const number = port === undefined ? SNMP_TRAP_PORT : Number(port);
  if (number < 1 || number > 65_535) throw wrong(text, 'a port is 1 to 65535');
  return { kind: 'snmp', host, port: number, community: options.get('community') ?? SNMP_COMMUNITY };
}

function queueTarget(text: string, rest: string): Target {
  const { place, options } = withOptions(text, rest, ['mode']);
  if (!QUEUE_NAME.test(place) || place === '/.' || place === '/..')
    throw wrong(text, 'the name of a queue is a slash and a name without a slash');
  const mode = options.get('mode');
  if (mode !== undefined && !/^0?[0-7]{3}$/.test(mode)) throw wrong(text, 'mode is octal, such as 0640');
  return { kind: 'queue', name: place, mode: mode === undefined ? QUEUE_MODE : Number.parseInt(mode, 8) };
}

function withOptions(
  text: string,
  rest: string,
  known: readonly string[],
): { readonly place: string; readonly options: ReadonlyMap<string, string> } {
  const mark = rest.indexOf('?');
  const options = new Map(new URLSearchParams(mark < 0 ? '' : rest.slice(mark + 1)));
  for (const name of options.keys()) if (!known.includes(name)) throw wrong(text, `there is no option '${name}'`);
  return { place: mark < 0 ? rest : rest.slice(0, mark), options };
}

const wrong = (text: string, why: string): TypeError => new TypeError(`'${text}' is no target of notices: ${why}`);
