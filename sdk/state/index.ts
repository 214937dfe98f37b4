/** State, fetched by those who use it. */
export { type BoardOptions, openBoard } from './blackboard/board.ts'
export { openOwn } from './owned/own.ts'
export { openSections } from './owned/sections.ts'
