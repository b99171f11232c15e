import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServerRecord } from '../core/connection.ts'
import { pathToFileURL } from 'node:url'
import { askAsOwner } from '../client/https.ts'
import type { Command } from '../core/command.ts'

/** Address of the portal on this machine; elsewhere it also needs no name resolution or certificate. */
export const portalAddress = (server: Pick<ServerRecord, 'ports'>): string => `http://localhost:${server.ports.local}/`

/** Whether a browser can be opened: a desktop, and a person at the terminal. */
const hasDesktop = (): boolean =>
  process.stderr.isTTY && (process.env['DISPLAY'] ?? process.env['WAYLAND_DISPLAY'] ?? '') !== ''

/**
 * Opens the address through a file that only this user can read: everyone on the machine can see program arguments.
 * @returns whether a program opened it
 */
async function openBrowser(runDirectory: string, address: string): Promise<boolean> {
  const file = join(runDirectory, 'portal.html')
  await writeFile(file, `<!doctype html><meta http-equiv="refresh" content="0; url=${address}">\n`, { mode: 0o600 })
  const child = spawn('xdg-open', [pathToFileURL(file).href], { stdio: 'ignore', detached: true })
  return await new Promise((done) => {
    child.once('error', () => done(false))
    child.once('spawn', () => {
      child.unref()
      done(true)
    })
  })
}

export const portalCommand: Command = {
  words: ['portal'],
  summary: 'open the portal in the browser, signed in as the owner',
  options: [{ flags: '--no-open', summary: 'print the address only' }],
  examples: ['strongroom portal', 'strongroom portal --no-open'],
  run: async (context) => {
    const { server } = await context.connect()
    const run = join(context.paths.state, 'run')
    const issued = await askAsOwner<{ code: string; expires_in: number }>(join(run, 'owner.sock'), '/sign-in-code', {})
    const address = `${portalAddress(server)}#sign-in=${issued.code}`
    const opened = context.options['open'] !== false && hasDesktop() && (await openBrowser(run, address))
    return {
      data: { address, expiresIn: issued.expires_in, opened },
      lines: [
        address,
        `  signs in one browser, once, within ${issued.expires_in / 60} minutes`,
        ...(opened ? ['  opened in your browser'] : []),
      ],
    }
  },
}
