/** Runs the story of `reconnect` in the lab: asks for the daemon's restart by a line, and prints what it saw. */
import { once } from 'node:events';
import { reconnectStory } from '../client/reconnect-story.ts';

const lines = await reconnectStory({ waitReadyMs: 30_000 }, async () => {
  console.log('restart');
  await once(process.stdin, 'data');
  process.stdin.pause();
});
console.log(`${lines.join('\n')}\nover`);
