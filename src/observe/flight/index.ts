export { FLIGHT_FILE, FlightFileError, isLiveFlight, LIVE_FLIGHT_PREFIX, loadFlight, readLive } from './file.ts';
export { type FlightFileHeader, readFlightHeader, writeFlightHeader } from './header.ts';
export {
  END_CAUSES,
  FLIGHT_KINDS,
  FLIGHT_STATES,
  FLIGHT_TRANSPORTS,
  type FlightFields,
  type FlightKind,
  type FlightRecord,
  type FlightRecordOf,
  flightKindOf,
  LINK_CAUSES,
  LOSS_TIMERS,
  NEVER_HEARD_MS,
  PAUSE_NOTICED_BY,
} from './kinds.ts';
export {
  FLIGHT_CURSOR_SPACING_BYTES,
  FLIGHT_HEADER_BYTES,
  FLIGHT_ID_BYTES,
  FLIGHT_PARTS,
  FLIGHT_RECORD_BYTES,
  FlightHeader,
  type FlightLayout,
  type FlightPart,
  flightLayout,
  flightLayoutOf,
} from './layout.ts';
export { type FlightFile, mergeFlights, readFlight } from './reader.ts';
export { type FlightClock, type FlightLog, FlightWriter, NO_FLIGHT_LOG } from './writer.ts';
