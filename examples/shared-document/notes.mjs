// An application of Yjs as there are many: it knows a Y.Doc and a provider, and nothing of who carries the changes.
export function openNotes(provider) {
  const text = () => provider.doc.getText('notes')
  const done = () => provider.doc.getMap('done')
  return {
    synced: () => new Promise(resolve => (provider.synced ? resolve() : provider.once('synced', resolve))),
    add: line => text().insert(text().length, `${line}\n`),
    finish: line => done().set(line, true),
    lines: () =>
      text()
        .toString()
        .split('\n')
        .filter(line => line !== '')
        .map(line => `${done().has(line) ? '[x]' : '[ ]'} ${line}`),
    /** Resolves once the document says so, whoever wrote it. */
    until: check =>
      new Promise(resolve => {
        const look = () => {
          if (!check()) return
          provider.doc.off('update', look)
          resolve()
        }
        provider.doc.on('update', look)
        look()
      }),
  }
}
