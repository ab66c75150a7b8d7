import { checkedText } from '../../client/arguments.ts';
import { MachineError } from '../errors.ts';

const NAME_BYTES_MAX = 1024;

/** A name that programs give to what they share. @throws MachineError */
export function checkedName(name: string, what: string): string {
  const bytes = Buffer.byteLength(checkedText(name, `the name of ${what}`));
  if (bytes > 0 && bytes <= NAME_BYTES_MAX) return name;
  throw new MachineError('RONDO_MACHINE_FAILED', `the name of ${what} has 1 to ${NAME_BYTES_MAX} bytes, not ${bytes}`);
}
