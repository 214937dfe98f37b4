import { own } from '../protocol/json.ts'

/** How the reader of our output starts us again: by the package manager that started this process, else by name. */
export function ownCommand(env: Readonly<Record<string, string | undefined>>): string {
  // In a checkout or a project the command is not on PATH; each manager finds it under this name.
  if (env['npm_execpath'] === undefined) return 'posthorn'
  const manager = /^[a-z]+/.exec(env['npm_config_user_agent'] ?? '')?.[0] ?? 'npm'
  return own(COMMANDS, manager) ?? 'npx posthorn'
}
const COMMANDS: Readonly<Record<string, string>> = {
  npm: 'npx posthorn',
  pnpm: 'pnpm exec posthorn',
  yarn: 'yarn posthorn',
  bun: 'bun run posthorn',
}
