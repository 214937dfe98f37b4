/** State, fetched by those who use it. */
export { createStateDesk } from './desk.ts'
