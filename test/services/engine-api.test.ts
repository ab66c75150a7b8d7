import t from 'tap';

t.test('the package offers the interface of engines by its own name', async (t) => {
  const name = 'rondo/engine';
  const api = (await import(name)) as Record<string, unknown>;
  t.equal(api['ENGINE_INTERFACE_VERSION'], 2);
  for (const member of ['CsError', 'Struct', 'RequestStruct', 'ResponseStruct', 'execStruct', 'TrackEvent'])
    t.ok(api[member], member);
});
