// A chat: everybody sees the same lines in the same order.
//   RONDO_IPC_INSTANCE=… node examples/chat.mjs NAME        (standard input is what NAME says)
import { createInterface } from 'node:readline';
import { ProcessGroup } from 'rondo';

const name = process.argv[2] ?? `guest ${process.pid}`;
const chat = await ProcessGroup.open({ name: 'chat' });

const speak = async () => {
  for await (const text of createInterface({ input: process.stdin })) await chat.send({ name, text });
  await chat.close();
};
const speaking = speak();

for await (const event of chat.events()) {
  if (event.type === 'message') console.log(`${event.value.name}: ${event.value.text}`);
  if (event.type === 'members') console.log(`* ${event.members.length} here`);
  if (event.type === 'gap') console.log('* the connection is lost: lines may be missing until it is back');
}
await speaking;
