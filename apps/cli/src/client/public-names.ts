import { join } from 'node:path'
import { askAsOwner } from './https.ts'
import { ownCommand } from '../core/own-name.ts'

/** The server's description of the proxy for Azure's own names. */
export interface PublicNames {
  open: boolean
  port?: number
  until?: string
  /** File with the certificates to trust; there while it is open. */
  trusted?: string
  names: string[]
  passedOn: Record<string, number>
  refused: Record<string, number>
}

/** Asks the server of a state directory, as its owner. */
export async function publicNames(stateDir: string, action: 'open' | 'show' | 'close'): Promise<PublicNames> {
  return await askAsOwner<PublicNames>(join(stateDir, 'run', 'owner.sock'), '/public-names', { action })
}

/** Shown when a shell is given the names. */
export const announcement = (o: PublicNames): string[] => [
  '*** In this shell the names of AZURE’S PUBLIC CLOUD lead to this Strongroom installation. ***',
  `  ${o.names.join(', ')}`,
  `  by the proxy 127.0.0.1:${o.port}, until ${o.until}. Their certificate authority is trusted where ` +
    `${o.trusted} is: through this shell’s variables.`,
  '  These bypass the proxy and reach the real Azure: programs that do not read HTTPS_PROXY, names in NO_PROXY, ' +
    'ports other than 443 without TLS, sudo, and shells that were already open.',
  '  The proxy passes on every name that is not Azure’s; Azure’s other names are refused. `' +
    `${ownCommand('status')}\` counts both.`,
  `  \`exit\` ends this for this shell, \`${ownCommand('env --end-public-names')}\` for all shells.`,
]

/** Lines for `status`; empty if it was never used. */
export function statusLines(o: PublicNames): string[] {
  if (o.until === undefined) return []
  const counts = (of: Record<string, number>): string =>
    Object.entries(of)
      .map(([name, count]) => `${name} (${count})`)
      .join(', ') || 'none'
  const head = o.open
    ? `  *** PUBLIC NAMES: shells with \`env --public-names\` treat this as Azure’s public cloud until ${o.until} ` +
      `(proxy 127.0.0.1:${o.port}) ***`
    : `  public names have ended on ${o.until}: \`${ownCommand('env --public-names')}\` in a new shell starts them again`
  return [head, `      passed on to the outside: ${counts(o.passedOn)}`, `      refused: ${counts(o.refused)}`]
}
