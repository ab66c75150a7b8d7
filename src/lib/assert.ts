/** A broken invariant of our own code: a bug here, never a peer's or a client's doing. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Stays on in production. Use it for what only a bug of ours can break; for hostile input a function returns a value. */
export function assert(condition: boolean, message = 'invariant broken'): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** For the default branch of a switch over a closed set: a new member fails to compile here. */
export function unreachable(value: never): never {
  throw new AssertionError(`unhandled variant ${JSON.stringify(value)}`);
}
