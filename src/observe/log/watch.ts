import { type Icmap, TRACK_CHANGES, TrackEvent, type Tracker } from '../../config/icmap/index.ts';
import { readLogging } from '../../config/logging-config.ts';
import type { LogSink } from './log-sink.ts';

const RELOAD_KEY = 'config.reload_in_progress';

/**
 * Follows the `logging.` keys of the live map: a client's change acts at once, a reload's changes when the reload is
 * done (config-and-tools.md 1.10 step 9). Returns what ends it.
 */
export function watchLogging(map: Icmap, sink: LogSink): () => void {
  const apply = (): void => {
    if ((map.getU8(RELOAD_KEY) ?? 0) === 0) sink.configure(readLogging(map));
  };
  const trackers = [
    map.track('logging.', TRACK_CHANGES | TrackEvent.PREFIX, apply),
    map.track(RELOAD_KEY, TrackEvent.ADD | TrackEvent.MODIFY, apply),
  ].filter((tracker): tracker is Tracker => tracker !== null);
  return () => {
    for (const tracker of trackers) map.untrack(tracker);
  };
}
