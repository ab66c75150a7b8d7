import { existsSync } from 'node:fs';
import type { RootTree } from './root-tree.ts';

const HANDLERS = '/usr/lib/drbd';

/** Why DRBD's handlers cannot be called here, or `false`. */
export const drbdUnavailable = (): string | false =>
  existsSync(`${HANDLERS}/crm-fence-peer.9.sh`) ? false : 'needs Debian’s drbd-utils';

/** What drbd-utils say of the resource where the kernel has no DRBD: this host's data are good, the peer's are not known. */
const STATE = [
  'exists resource name:r0 role:Primary suspended:no',
  'exists connection name:r0 peer-node-id:1 conn-name:node2 connection:Connecting role:Unknown',
  'exists device name:r0 volume:0 minor:0 disk:UpToDate quorum:yes',
  'exists peer-device name:r0 peer-node-id:1 conn-name:node2 volume:0 peer-disk:DUnknown peer-client:no',
  'exists -',
];
const TOOLS = '/usr/local/drbd';
const ENVIRONMENT = [
  `PATH=${TOOLS}:/usr/sbin:/usr/bin`,
  'DRBD_RESOURCE=r0 DRBD_MY_NODE_ID=0 DRBD_NODE_ID_0=node1 DRBD_NODE_ID_1=node2 UP_TO_DATE_NODES=0x1',
].join(' ');

/** Handlers of DRBD as its module would call them, with what drbdsetup would say: only the kernel's part is not real. */
export class DrbdHandlers {
  private constructor(private readonly tree: RootTree) {}

  static async on(tree: RootTree): Promise<DrbdHandlers> {
    await tree.must(`mkdir -p ${TOOLS} /var/lock`);
    await tree.write(`${TOOLS}/drbdsetup`, `#!/bin/sh\ncat <<'END'\n${STATE.join('\n')}\nEND`, '755');
    await tree.write(`${TOOLS}/logger`, '#!/bin/sh\ncat >>/var/log/drbd-handlers', '755');
    return new DrbdHandlers(tree);
  }

  /** The peers have all of the data again. */
  async synchronised(): Promise<void> {
    const good = STATE.join('\n').replaceAll('DUnknown', 'UpToDate');
    await this.tree.write(`${TOOLS}/drbdsetup`, `#!/bin/sh\ncat <<'END'\n${good}\nEND`, '755');
  }

  /** Status of the handler, and the constraints that the cluster has then. */
  async call(handler: string): Promise<{ readonly code: number; readonly constraint: string }> {
    const { code } = await this.tree.run(`${ENVIRONMENT} ${HANDLERS}/${handler} --timeout 30 --dc-timeout 30`);
    const { stdout } = await this.tree.run('cibadmin -Q -o constraints');
    const constraint = /<rsc_location[^>]*drbd-fence[\s\S]*?<\/rsc_location>/.exec(stdout)?.[0] ?? 'none';
    return { code, constraint: constraint.replace(/\s+/g, ' ') };
  }
}
