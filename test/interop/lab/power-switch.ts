import type { Host, PackagedGround } from './packaged.ts';
import { type Running, start } from './process.ts';

const ADDRESS = '10.78.0.254';
const PORT = 8080;
const SHOT_MS = 20_000;

/** Answers an order when the one who started it has said that it is done. */
const SERVER = `
const waiting = [];
require('node:http').createServer((request, response) => { waiting.push(response); console.log('order ' + request.url); })
  .listen(${PORT}, '${ADDRESS}', () => console.log('ready'));
require('node:readline').createInterface({ input: process.stdin }).on('line', (text) => waiting.shift()?.end(text));
`;

/** A fence agent in the manner of Debian's fence-agents: options as lines on standard input. */
const AGENT = `#!/bin/sh
while read -r line; do
  case $line in
  action=*) action=\${line#*=} ;;
  port=* | plug=*) port=\${line#*=} ;;
  esac
done
case $action in
metadata)
  cat <<'END'
<?xml version="1.0" ?>
<resource-agent name="fence_lab" shortdesc="A power switch that is asked over the network">
<longdesc>A power switch that is asked over the network.</longdesc>
<parameters>
<parameter name="action" required="1"><content type="string" default="reboot"/><shortdesc lang="en">Action</shortdesc></parameter>
<parameter name="port" required="1"><content type="string"/><shortdesc lang="en">Name of the host</shortdesc></parameter>
</parameters>
<actions>
<action name="on" automatic="0"/><action name="off"/><action name="reboot"/><action name="status"/><action name="list"/><action name="monitor"/><action name="metadata"/>
</actions>
</resource-agent>
END
  ;;
off | reboot) [ "$(curl -sf --max-time 15 "http://${ADDRESS}:${PORT}/$action/$port")" = done ] ;;
list) printf 'node1\\nnode2\\nnode3\\n' ;;
monitor | status) exit 0 ;;
*) exit 1 ;;
esac
`;

/** Turns hosts off when their fence agent asks for it: whatever ran there ends at once. A host that is to boot again stays down, too. */
export class PowerSwitch {
  /** `/reboot/node1` and the like, in the order in which they came. */
  readonly orders: string[] = [];

  private constructor(
    private readonly server: Running,
    private readonly hosts: readonly Host[],
  ) {}

  static async on(packaged: PackagedGround, hosts: readonly Host[]): Promise<PowerSwitch> {
    const [command = '', ...enter] = packaged.ground.enter;
    const script = `ip addr replace ${ADDRESS}/24 dev rondo0 && exec '${process.execPath}' -e "$0"`;
    const server = start(command, [...enter, 'sh', '-c', script, SERVER]);
    await server.waitFor(/ready/);
    for (const { tree } of hosts) await tree.write('/usr/sbin/fence_lab', AGENT, '755');
    const power = new PowerSwitch(server, hosts);
    server.child.stdout?.on('data', (text: string) => {
      for (const [, order = ''] of text.matchAll(/^order (\S+)$/gm)) void power.serve(order);
    });
    return power;
  }

  private async serve(order: string): Promise<void> {
    this.orders.push(order);
    const host = this.hosts.find(({ name }) => order.endsWith(`/${name}`));
    const reply = host === undefined ? 'no such host' : await off(host).then(() => 'done', String);
    this.server.write(`${reply}\n`);
  }

  async close(): Promise<void> {
    await this.server.stop('SIGKILL');
  }
}

/** The end of its first process is that of all others. */
async function off({ tree }: Host): Promise<void> {
  await Promise.race([
    tree.close(),
    new Promise((_, reject) => setTimeout(() => reject(new Error('still on')), SHOT_MS).unref()),
  ]);
}
