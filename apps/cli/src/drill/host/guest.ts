import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ArmClient } from '../../client/arm.ts'
import { fetchConnection } from '../../commands/vm.ts'
import { runProgram } from './programs.ts'

const lookLimitMs = 120_000

const looked = 'looked to the end'

/**
 * What was taken from the host, by a script that root runs in the guest and that says `taken NAME` of it. Undefined where the
 * owner's key does not enter the guest, or the script does not come to its end.
 */
export async function lookInside(o: {
  arm: ArmClient
  path: string
  configDir: string
  script: string
}): Promise<string[] | undefined> {
  const key = join(o.configDir, 'ssh', 'id_ed25519')
  if (!existsSync(key)) return undefined
  const { ssh } = await fetchConnection(o.arm, o.path)
  const options = ['IdentitiesOnly=yes', 'UserKnownHostsFile=/dev/null', 'StrictHostKeyChecking=no', 'LogLevel=ERROR', 'BatchMode=yes', 'ConnectTimeout=60'].flatMap((option) => ['-o', option]) // prettier-ignore
  const target = ['-i', key, ...options, '-p', String(ssh.port), `${ssh.user}@${ssh.host}`]
  const ended = await runProgram('ssh', [...target, '--', 'sudo bash -s'], {
    input: `${o.script}\necho ${looked}\n`,
    anyCode: true,
    timeoutMs: lookLimitMs,
  })
  const lines = ended.stdout.split('\n')
  if (!lines.includes(looked)) return undefined
  return lines.flatMap((line) => /^taken (.+)$/.exec(line)?.[1] ?? [])
}
