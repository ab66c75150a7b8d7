import type { Icmap } from '../../config/icmap/index.ts';
import { CMAP_CALLS, CMAP_MESSAGES } from '../codec/cmap.ts';
import { ServiceId } from '../codec/ids.ts';
import { messageNames } from '../codec/message.ts';
import type { MainEngineContext, RunningService, ServiceEngine } from '../engine.ts';
import { ConfigVersionExchange } from './config-version.ts';
import { CmapLibrary } from './library.ts';
import { mainMap } from './maps.ts';
import { type AddressesOf, recordMembers } from './members.ts';
import type { StatsMap } from './stats-map.ts';

const ROOT_UID = 0;
type CmapCall = keyof typeof CMAP_CALLS;

export interface CmapEngineOptions {
  readonly cmap: Icmap;
  readonly statistics: StatsMap;
  readonly addressesOf: AddressesOf;
  /** The user that the daemon runs as: it may what root may. */
  readonly daemonUid: number;
  /** Orderly shutdown of this node: its configuration is older than another node's. */
  shutdown(reason: string): void;
}

/** Service 0: the configuration and statistics maps (services.md 5). */
export class CmapEngine implements ServiceEngine<MainEngineContext, CmapCall, 'mcast'> {
  readonly serviceId = ServiceId.CMAP;
  readonly name = 'cmap';
  readonly description = 'corosync configuration map access';
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly calls = CMAP_CALLS;
  readonly messages = messageNames(CMAP_MESSAGES);
  readonly takesPartInSync = true;

  constructor(private readonly options: CmapEngineOptions) {}

  start(context: MainEngineContext): RunningService<CmapCall, 'mcast'> {
    const { cmap, statistics, addressesOf, daemonUid } = this.options;
    const versions = new ConfigVersionExchange(context, (reason) => this.options.shutdown(reason));
    const clients = new CmapLibrary(
      { main: (client) => mainMap(cmap, client), statistics },
      {
        isPrivileged: (uid) => uid === ROOT_UID || uid === daemonUid,
        nowMs: () => context.nowMs(),
        log: (text) => context.log('warning', 'CMAP', text),
      },
    );
    return {
      calls: clients.calls,
      messages: { mcast: (payload, nodeId) => versions.handle(payload, nodeId) },
      sync: versions,
      configurationChange: (change) => recordMembers(cmap, change, addressesOf),
      connectionOpened: (connection) => clients.open(connection),
      connectionClosed: (connection) => clients.close(connection),
    };
  }
}
