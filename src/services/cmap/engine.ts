import type { Icmap } from '../../config/icmap/index.ts';
import { assert } from '../../lib/assert.ts';
import type { ConfigurationChange } from '../../lib/ring-id.ts';
import { ServiceId } from '../codec/ids.ts';
import type {
  EngineConnection,
  ExecFunction,
  LibraryFunction,
  MainEngineContext,
  ServiceEngine,
  SyncHooks,
} from '../engine.ts';
import { ConfigVersionExchange } from './config-version.ts';
import { CmapLibrary } from './library.ts';
import { mainMap } from './maps.ts';
import { type AddressesOf, recordMembers } from './members.ts';
import type { StatsMap } from './stats-map.ts';

const ROOT_UID = 0;

export interface CmapOptions {
  readonly cmap: Icmap;
  readonly statistics: StatsMap;
  readonly addressesOf: AddressesOf;
  /** The user that the daemon runs as: it may what root may. */
  readonly daemonUid: number;
  /** Orderly shutdown of this node: its configuration is older than another node's. */
  shutdown(reason: string): void;
}

/** Service 0: the configuration and statistics maps (services.md 5). */
export class CmapEngine implements ServiceEngine<MainEngineContext> {
  readonly serviceId = ServiceId.CMAP;
  readonly name = 'cmap';
  readonly description = 'corosync configuration map access';
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly library: readonly LibraryFunction[];
  readonly exec: readonly ExecFunction[] = [
    { name: 'mcast', handle: (payload, nodeId) => this.versions().handle(payload, nodeId) },
  ];
  readonly sync: SyncHooks = {
    init: (transitional) => this.versions().init(transitional),
    process: () => this.versions().process(),
    activate: () => this.versions().activate(),
    abort: () => this.versions().abort(),
  };
  private readonly clients: CmapLibrary;
  private exchange: ConfigVersionExchange | null = null;
  private context: MainEngineContext | null = null;

  constructor(private readonly options: CmapOptions) {
    const { cmap, statistics, daemonUid } = options;
    this.clients = new CmapLibrary(
      { main: (client) => mainMap(cmap, client), statistics },
      {
        isPrivileged: (uid) => uid === ROOT_UID || uid === daemonUid,
        nowMs: () => this.started().nowMs(),
        log: (text) => this.started().log('warning', 'CMAP', text),
      },
    );
    this.library = this.clients.functions();
  }

  private versions(): ConfigVersionExchange {
    assert(this.exchange !== null, 'cmap is used before its start');
    return this.exchange;
  }

  private started(): MainEngineContext {
    assert(this.context !== null, 'cmap is used before its start');
    return this.context;
  }

  start(context: MainEngineContext): void {
    this.context = context;
    this.exchange = new ConfigVersionExchange(context, (reason) => this.options.shutdown(reason));
  }

  configurationChange(change: ConfigurationChange): void {
    recordMembers(this.options.cmap, change, this.options.addressesOf);
  }

  connectionOpened(connection: EngineConnection): void {
    this.clients.open(connection);
  }

  connectionClosed(connection: EngineConnection): void {
    this.clients.close(connection);
  }
}
