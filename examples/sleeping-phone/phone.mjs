// The page's agent. Close the tab: it sleeps. Open it again: it has what it missed, and sends what it could not.
import { HomeInUseError, openAgent } from 'posthorn'

const status = document.querySelector('#status')
const list = document.querySelector('#mail')
const opening = open()

// From the start: a form that nobody listens to would load the page anew, and what was written would be gone.
document.querySelector('#say').addEventListener('submit', async event => {
  event.preventDefault()
  const input = event.target.elements.text
  const phone = await opening
  await phone?.send('desk', input.value) // resolves once it would survive the tab
  if (phone) input.value = ''
})

async function open() {
  try {
    const { relay, desk } = await (await fetch('desk.json')).json()
    const phone = await openAgent({
      name: 'phone', // key and mail stay in this browser
      relays: [relay],
      host: { contacts: () => [{ name: 'desk', pubkey: desk }] },
    })
    await fetch('hello', { method: 'POST', body: phone.pubkey }) // so that the desk knows whom to write to
    phone.on('status', () => show(phone))
    phone.on('message', () => show(phone))
    show(phone)
    return phone
  } catch (error) {
    status.textContent = error instanceof HomeInUseError ? 'this phone is open in another tab' : String(error)
  }
}

function show(phone) {
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
