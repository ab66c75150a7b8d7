import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { leaveBehind } from '../lib/left-behind.ts';

/**
 * Looks a name up for a socket, as Node.js does by itself. A name server that is gone can take its time: who gives the delivery up does not wait for it, and
 * neither does the end of the process.
 */
export const lookUpName: LookupFunction = (name, options, found) => {
  let ended = (): void => {};
  leaveBehind(
    new Promise<void>((resolve) => {
      ended = resolve;
    }),
  );
  lookup(name, options, (error, address, family) => {
    ended();
    found(error, address, family);
  });
};
