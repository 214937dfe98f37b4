// The page's agent. Close the tab: it sleeps. Open it again: it has what it missed, and sends what it could not.
import { HomeInUseError, openAgent } from 'posthorn'

const { relay, desk } = await (await fetch('desk.json')).json()
const status = document.querySelector('#status')
const list = document.querySelector('#mail')

try {
  const phone = await openAgent({
    name: 'phone', // key and mail stay in this browser
    relays: [relay],
    host: { contacts: () => [{ name: 'desk', pubkey: desk }] },
  })
  await fetch('hello', { method: 'POST', body: phone.pubkey }) // so that the desk knows whom to write to

  const show = () => {
    const { relays, queue } = phone.status()
    status.textContent = `${relays[0].state}${queue > 0 ? `, ${queue} to send` : ''}`
    // Text of a message is data from somebody else: as text it does nothing to the page.
    list.replaceChildren(
      ...phone.inbox().map(mail => {
        const item = document.createElement('li')
        item.dataset.known = mail.known
        item.textContent = `${mail.fromName ?? mail.from.slice(0, 8)}: ${mail.text}`
        return item
      }),
    )
  }
  phone.on('status', show)
  phone.on('message', show)
  show()

  document.querySelector('#say').addEventListener('submit', async event => {
    event.preventDefault()
    const input = event.target.elements.text
    await phone.send('desk', input.value) // resolves once it would survive the tab
    input.value = ''
  })
} catch (error) {
  status.textContent = error instanceof HomeInUseError ? 'this phone is open in another tab' : String(error)
}
