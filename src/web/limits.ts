/** Bounds on what those who only watch can take of the daemon. Each is of one listening address. */
export const WEB_LIMITS = {
  /** Connections that are taken in the long run, and at once: beyond, those that come wait in the kernel, and its queue is short. */
  connectionsPerSecond: 50,
  connectionsAtOnce: 64,
  /** How long nobody is taken then. */
  pauseMs: 250,
  backlog: 64,
  /** Connections that are open; one more is closed. */
  connectionsMax: 64,
  /** Of those, the ones that follow the events of the page. */
  followersMax: 8,
  headerBytesMax: 8_192,
  headersMax: 64,
  pathBytesMax: 256,
  /** Of TLS. */
  handshakeMs: 3_000,
  /** From the connection, or its handshake, to the end of the request, and to the end of the response. */
  requestMs: 3_000,
  responseMs: 10_000,
  /** A follower for whom this much waits is too slow, and is left out until it has read; for how long, before it is cut. */
  followerBytesMax: 256 << 10,
  followerStuckMs: 10_000,
  /** How old the values of a page may be. One rendering serves all that ask meanwhile. */
  cacheMs: 1_000,
  /** Fewer bytes than this are guessed. */
  tokenBytesMin: 16,
  tokenBytesMax: 1_024,
  /** A certificate with those that lead to its authority, or a key. */
  pemBytesMax: 64 << 10,
} as const;
