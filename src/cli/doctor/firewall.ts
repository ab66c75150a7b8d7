/** The part of `nft -j list ruleset` that is looked at. */
export interface Ruleset {
  readonly chains: readonly {
    readonly table: string;
    readonly name: string;
    readonly hook: string;
    readonly policy: string;
  }[];
  readonly rules: readonly FirewallRule[];
}

export interface FirewallRule {
  readonly table: string;
  readonly chain: string;
  readonly verdict: 'accept' | 'drop' | 'other';
  /** Ports and addresses that it names; none: it is about all packets that its other conditions allow. */
  readonly ports: readonly number[];
  readonly addresses: readonly string[];
  /** It has conditions that are not looked at: connection state, sets, interfaces. */
  readonly conditional: boolean;
}

type Json = { readonly [key: string]: unknown };
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads the JSON of `nft -j list ruleset`; `null`: it is something else. */
export function parseRuleset(text: string): Ruleset | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  const items = isObject(parsed) ? parsed['nftables'] : null;
  if (!Array.isArray(items)) return null;
  const chains: Ruleset['chains'][number][] = [];
  const rules: FirewallRule[] = [];
  for (const item of items) {
    if (!isObject(item)) continue;
    const { chain, rule } = item;
    if (isObject(chain) && typeof chain['hook'] === 'string')
      chains.push({
        table: `${chain['family']} ${chain['table']}`,
        name: String(chain['name']),
        hook: chain['hook'],
        policy: typeof chain['policy'] === 'string' ? chain['policy'] : 'accept',
      });
    if (isObject(rule)) rules.push(readRule(rule));
  }
  return { chains, rules };
}

function readRule(rule: Json): FirewallRule {
  const ports: number[] = [];
  const addresses: string[] = [];
  let verdict: FirewallRule['verdict'] = 'other';
  let conditional = false;
  for (const statement of Array.isArray(rule['expr']) ? rule['expr'] : []) {
    if (!isObject(statement)) continue;
    if ('accept' in statement) verdict = 'accept';
    if ('drop' in statement || 'reject' in statement) verdict = 'drop';
    const { match } = statement;
    if (!isObject(match)) {
      if (!['accept', 'drop', 'reject', 'counter', 'log'].some((word) => word in statement)) conditional = true;
      continue;
    }
    const left = isObject(match['left']) ? match['left'] : {};
    const field = isObject(left['payload']) ? left['payload']['field'] : null;
    if (field === 'dport' || field === 'sport') ports.push(...portsOf(match['right']));
    else if ((field === 'saddr' || field === 'daddr') && typeof match['right'] === 'string')
      addresses.push(match['right']);
    else conditional = true;
  }
  return {
    table: `${rule['family']} ${rule['table']}`,
    chain: String(rule['chain']),
    verdict,
    ports,
    addresses,
    conditional,
  };
}

/** A port, a range, or a set of them. */
function portsOf(right: unknown): readonly number[] {
  if (typeof right === 'number') return [right];
  if (!isObject(right)) return [];
  const { range, set } = right;
  if (Array.isArray(set)) return set.flatMap(portsOf);
  if (!Array.isArray(range)) return [];
  const [first = 0, last = 0] = range.map(Number);
  return last - first > 0xffff ? [] : Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

/** What keeps the ring's packets out, in words: rules that drop them, and chains that drop what no rule lets through. */
export function blockingRules(
  { chains, rules }: Ruleset,
  ports: readonly number[],
  peers: readonly string[],
): readonly string[] {
  const found: string[] = [];
  for (const { table, name, hook, policy } of chains) {
    if (hook !== 'input' && hook !== 'output') continue;
    const own = rules.filter((rule) => rule.table === table && rule.chain === name);
    const about = (rule: FirewallRule): boolean =>
      rule.ports.some((port) => ports.includes(port)) || rule.addresses.some((address) => peers.includes(address));
    for (const rule of own.filter(({ verdict }) => verdict === 'drop')) {
      const whom = [
        ...rule.ports.filter((port) => ports.includes(port)).map((port) => `port ${port}`),
        ...rule.addresses,
      ];
      if (about(rule)) found.push(`${hook}: table ${table}, chain ${name} drops ${whom.join(', ')}`);
    }
    const isLetThrough = own.some(
      (rule) =>
        rule.verdict === 'accept' &&
        (about(rule) || (!rule.conditional && rule.ports.length + rule.addresses.length === 0)),
    );
    // What jumps to another chain may let it through there: that is not followed, and nothing is said.
    const jumps = own.some(({ verdict, conditional }) => verdict === 'other' && conditional);
    const dropsRest =
      policy === 'drop' ||
      own.some(
        ({ verdict, conditional, ports: p, addresses }) =>
          verdict === 'drop' && !conditional && p.length + addresses.length === 0,
      );
    if (dropsRest && !isLetThrough && !jumps)
      found.push(
        `${hook}: table ${table}, chain ${name} drops everything that no rule accepts, and none accepts UDP port ${ports.join(', ')}`,
      );
  }
  return found;
}
