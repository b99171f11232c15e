import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ArmClient } from '../../client/arm.ts'
import { fetchConnection } from '../../commands/vm/resource.ts'
import { runProgram, type Ended } from './programs.ts'

const lookLimitMs = 120_000

const looked = 'inspection complete'

export interface Look {
  /** Names of what the guest took from the host. */
  taken: string[]
  /** What else the script told: its `saw` lines. */
  saw: string[]
  /** Why the result is inconclusive. */
  unseen?: string
}

const noWayIn: Look = {
  taken: [],
  saw: [],
  unseen: 'the guest could not be inspected: it does not accept the owner’s SSH key, or the inspection did not finish',
}

/** Runs a script as root in the guest, which prints `taken NAME`, `untried WHY` and `saw WHAT`. */
export async function lookInside(o: {
  arm: ArmClient
  path: string
  configDir: string
  script: string
}): Promise<Look> {
  const key = join(o.configDir, 'ssh', 'id_ed25519')
  if (!existsSync(key)) return noWayIn
  const ended = await overSsh({ ...o, key, command: 'sudo bash -s', input: `${o.script}\necho ${looked}\n` })
  const lines = ended.stdout.split('\n')
  if (!lines.includes(looked)) return noWayIn
  const said = (word: string): string[] =>
    lines.flatMap((line) => (line.startsWith(`${word} `) ? line.slice(word.length + 1) : []))
  const [untried] = said('untried')
  return {
    taken: said('taken'),
    saw: said('saw'),
    ...(untried !== undefined && { unseen: `nothing was tried: ${untried}` }),
  }
}

/** Runs a command in the guest with this key. @param o.user default: the VM's account */
export async function overSsh(o: {
  arm: ArmClient
  path: string
  key: string
  user?: string
  command: string
  input?: string
}): Promise<Ended> {
  const { ssh } = await fetchConnection(o.arm, o.path)
  const options = [
    'IdentitiesOnly=yes',
    'UserKnownHostsFile=/dev/null',
    'StrictHostKeyChecking=no',
    'LogLevel=ERROR',
    'BatchMode=yes',
    'ConnectTimeout=60',
  ].flatMap((option) => ['-o', option])
  const target = ['-i', o.key, ...options, '-p', String(ssh.port), `${o.user ?? ssh.user}@${ssh.host}`]
  return await runProgram('ssh', [...target, '--', o.command], {
    ...(o.input !== undefined && { input: o.input }),
    anyCode: true,
    timeoutMs: lookLimitMs,
  })
}
