import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ArmClient } from '../../client/arm.ts'
import { fetchConnection } from '../../commands/vm/resource.ts'
import { runProgram } from './programs.ts'

const lookLimitMs = 120_000

const looked = 'inspection complete'

export interface Look {
  /** Names of what the guest took from the host. */
  taken: string[]
  /** Why the result is inconclusive. */
  unseen?: string
}

const noWayIn: Look = {
  taken: [],
  unseen: 'the guest could not be inspected: it does not accept the owner’s SSH key, or the inspection did not finish',
}

/** Runs a script as root in the guest, which prints `taken NAME` and `untried WHY`. */
export async function lookInside(o: {
  arm: ArmClient
  path: string
  configDir: string
  script: string
}): Promise<Look> {
  const key = join(o.configDir, 'ssh', 'id_ed25519')
  if (!existsSync(key)) return noWayIn
  const { ssh } = await fetchConnection(o.arm, o.path)
  const options = [
    'IdentitiesOnly=yes',
    'UserKnownHostsFile=/dev/null',
    'StrictHostKeyChecking=no',
    'LogLevel=ERROR',
    'BatchMode=yes',
    'ConnectTimeout=60',
  ].flatMap((option) => ['-o', option])
  const target = ['-i', key, ...options, '-p', String(ssh.port), `${ssh.user}@${ssh.host}`]
  const ended = await runProgram('ssh', [...target, '--', 'sudo bash -s'], {
    input: `${o.script}\necho ${looked}\n`,
    anyCode: true,
    timeoutMs: lookLimitMs,
  })
  const lines = ended.stdout.split('\n')
  if (!lines.includes(looked)) return noWayIn
  const said = (word: string): string[] =>
    lines.flatMap((line) => (line.startsWith(`${word} `) ? line.slice(word.length + 1) : []))
  const [untried] = said('untried')
  return { taken: said('taken'), ...(untried !== undefined && { unseen: `nothing was tried: ${untried}` }) }
}
