import type { Source } from './format.ts';

/** Frames of the log machinery itself. */
const OWN_FRAME = /[/\\](?:observe[/\\]log[/\\]|lib[/\\]line-limit)/;

/** Who called the logger: costly, so only done when the configuration asks for it. */
export function callerSource(): Source {
  const stack = new Error().stack ?? '';
  for (const frame of stack.split('\n').slice(1)) {
    if (OWN_FRAME.test(frame)) continue;
    const match = /at (?:async )?(?:(\S+) (?:\[as \S+\] )?\()?(?:file:\/\/)?(.*?):(\d+):\d+\)?$/.exec(frame);
    if (match === null) continue;
    const file = (match[2] ?? '').split('/').at(-1) ?? '';
    const functionName = (match[1] ?? 'main').split('.').at(-1) ?? 'main';
    return { file, line: Number(match[3]), functionName };
  }
  return { file: 'unknown', line: 0, functionName: 'unknown' };
}
