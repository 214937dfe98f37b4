import { escapeText } from '../../protocol/visible.ts'

type Child = Node | string | undefined

/** An element with text and children. Text stays text: nothing here ever parses HTML, whoever wrote it. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  options: { readonly className?: string; readonly title?: string } = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  if (options.className !== undefined) element.className = options.className
  if (options.title !== undefined) element.title = options.title
  element.append(...children.filter(child => child !== undefined))
  return element
}

/** An element of index.html. */
export function part(id: string): HTMLElement {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`index.html has no #${id}`)
  return element
}

export function button(label: string, onClick: () => void): HTMLButtonElement {
  const element = make('button', {}, label)
  element.type = 'button'
  element.addEventListener('click', onClick)
  return element
}

/** One pair of a description list. */
export const pair = (term: string, ...value: readonly Child[]): HTMLElement =>
  make('div', {}, make('dt', {}, term), make('dd', {}, ...value))

/** What people can read of a text that may hold anything: hidden and control characters written out, not endless. */
export function plain(text: string, length: number): string {
  const clean = escapeText(text)
  return clean.length > length ? `${clean.slice(0, length)} …` : clean
}

export const shortKey = (pubkey: string): string => `${pubkey.slice(0, 8)}…${pubkey.slice(-4)}`

/** How long ago, for people; both in seconds since 1970. */
export function ago(then: number, now: number): string {
  const seconds = Math.max(0, now - then)
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
  ] as const)
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`
  return `${Math.floor(seconds)} s ago`
}
