/** An agent of yours: it takes an opened agent, so that a test can hand it one of a mesh. */
export function greeter(agent) {
  agent.handle('request', async ({ text, fromName }) => {
    if (text.includes('shout')) throw new Error('we do not shout here')
    return `hello ${fromName}, you said “${text}”`
  })
}
