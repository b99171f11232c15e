import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { strictSsh } from './host-keys.ts'

let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'host keys '))))
afterEach(async () => await rm(folder, { recursive: true, force: true }))
const vmId = '89E7FA0D-B62B-4961-9FC1-8871A5A7B675'
const hostKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJC'

describe('ssh to a verified VM', () => {
  it('knows the measured host key of that VM, in the user’s own folder, and nothing else (attack H26)', async () => {
    const args = await strictSsh(folder, { vmId, hostKey })
    const known = join(folder, 'known-hosts', vmId.toLowerCase())
    expect(await readFile(known, 'utf8')).toBe(`${vmId.toLowerCase()} ${hostKey}\n`)
    expect((await stat(known)).mode & 0o077).toBe(0)
    // As ssh itself understands them, whatever its configuration says.
    const config = join(folder, 'config')
    await run({ command: 'sh', args: ['-c', 'printf "%s\\n" "$1" >"$2"', '', lax, config] })
    const { stdout } = await run({ command: 'ssh', args: ['-G', '-F', config, ...args, 'azureuser@127.0.0.1'] })
    const seen = Object.fromEntries(
      stdout
        .toString()
        .trim()
        .split('\n')
        .map((line) => split(line)),
    )
    expect(seen).toMatchObject({
      stricthostkeychecking: 'true',
      userknownhostsfile: known,
      globalknownhostsfile: '/dev/null',
      hostkeyalgorithms: 'ssh-ed25519',
      hostkeyalias: vmId.toLowerCase(),
      updatehostkeys: 'false',
      verifyhostkeydns: 'false',
    })
    expect(seen['knownhostscommand'] ?? 'none').toBe('none')
  })

  it('forgets the key of an earlier report', async () => {
    await strictSsh(folder, { vmId, hostKey: hostKey.replace('EJC', 'EJD') })
    await strictSsh(folder, { vmId, hostKey })
    expect(await readFile(join(folder, 'known-hosts', vmId.toLowerCase()), 'utf8')).toContain(hostKey)
  })

  it('writes no file under a name that the server chose', async () => {
    await expect(strictSsh(folder, { vmId: '../../.ssh/known_hosts', hostKey })).rejects.toThrow('a GUID')
  })
})

const split = (line: string): [string, string] => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]
/** Of a user who accepts everything elsewhere. */
const lax = [
  'Host *',
  'StrictHostKeyChecking no',
  'UserKnownHostsFile /tmp/known',
  'KnownHostsCommand /bin/true',
  'UpdateHostKeys yes',
  'VerifyHostKeyDNS yes',
].join('\n')
