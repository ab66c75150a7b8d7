/**
 * Why this process may not run: a debugger that listens (or was asked for through the environment) runs whatever its peers say, as this
 * process's user, without any check of who they are. `null`: there is none.
 */
export async function debuggerProblem(env: NodeJS.ProcessEnv = process.env): Promise<string | null> {
  const address = await debuggerAddress();
  if (address !== null) return `Node.js listens for a debugger on ${address}`;
  const option = process.execArgv.find(isDebuggerOption);
  if (option !== undefined) return `Node.js was started with ${option}`;
  const inherited = (env['NODE_OPTIONS'] ?? '').split(/\s+/).find(isDebuggerOption);
  return inherited === undefined ? null : `NODE_OPTIONS contains ${inherited}`;
}

/** `--inspect-port` opens nothing: it says where a debugger would listen. */
function isDebuggerOption(option: string): boolean {
  return /^--(?:inspect|debug)(?!-port\b|-publish-uid\b)/.test(option);
}

async function debuggerAddress(): Promise<string | null> {
  if (!process.features.inspector) return null;
  const { url } = await import('node:inspector');
  return url() ?? null;
}
