import { copyFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { BootEvidence } from '@strongroom/contract'
import type { ServiceError } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestInstallation, type TestInstallation } from '../../apps/strongroomd/src/testing/running.ts'
import { makeVm } from '../../apps/strongroomd/src/testing/simulated-vm.ts'

let installation: TestInstallation
let scratch: string
let [one, two] = ['', '']
const size = 'Standard_DC2as_v5'
const { PATH = '' } = process.env

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'strongroom-guest-state-'))
  installation = await startTestInstallation()
  one = await makeVm(installation, { name: 'one', size })
  two = await makeVm(installation, { name: 'two', size })
}, 240_000)
afterAll(async () => {
  process.env['PATH'] = PATH
  await installation.close()
  await rm(scratch, { recursive: true, force: true })
})

const evidenceOf = async (path: string): Promise<BootEvidence> =>
  await installation.arm<BootEvidence>('POST', `${path}/retrieveBootEvidence`)
const stateOf = async (path: string): Promise<string> => {
  const { vmId } = await evidenceOf(path)
  return join(installation.running.context.stateDir, 'machines', vmId, 'guest-state.vmgs')
}
/** Starts, and attests, the boot for which the guest state is opened; then stops. */
const bootOf = async (path: string): Promise<string> => {
  await installation.run('POST', `${path}/start`)
  try {
    return await evidenceOf(path).then(
      () => 'attested',
      (error: unknown) => `${(error as ServiceError).code} ${(error as Error).message}`,
    )
  } finally {
    await installation.run('POST', `${path}/deallocate`)
  }
}

/** What an operator can do to an installation's VMs between two calls of its tenants. */
describe('an operator with the host’s files and processes', () => {
  it('finds no two vTPMs alike in VMs of one image (attack V10)', async () => {
    const [first, second] = [await evidenceOf(one), await evidenceOf(two)]
    expect(first.vtpm.akPublic).not.toBe(second.vtpm.akPublic)
    expect(first.vtpm.hclReport).not.toBe(second.vtpm.hclReport)
  })

  it('boots no VM on guest state that is another’s, a copy of before, cut or emptied (attack V9)', async () => {
    const [file, other] = [await stateOf(one), await stateOf(two)]
    const [kept, older] = [join(scratch, 'kept'), join(scratch, 'older')]
    for (const path of [one, two]) await installation.run('POST', `${path}/deallocate`)
    await copyFile(file, older)
    expect(await bootOf(one)).toBe('attested')
    await copyFile(file, kept)
    const attacks: [string, () => Promise<void>, RegExp][] = [
      ['another VM’s', () => copyFile(other, file), /^GuestStateOfAnotherVm /],
      ['a copy of before', () => copyFile(older, file), /^GuestStateRolledBack /],
      ['cut', () => truncate(file, 4096), /^GuestStateCorrupt /],
      ['emptied', async () => writeFile(file, Buffer.alloc((await readFile(kept)).length)), /^GuestStateCorrupt /],
    ]
    for (const [name, attack, code] of attacks) {
      await attack()
      expect([name, await bootOf(one)]).toEqual([name, expect.stringMatching(code)])
      await copyFile(kept, file)
    }
    // Unchanged, it is accepted: each refusal above was due to the change.
    expect(await bootOf(one)).toBe('attested')
  }, 240_000)

  it('ends a boot by killing its vTPM: nothing stands in for it (attack V11)', async () => {
    const pid = join(scratch, 'swtpm.pid')
    const program = async (name: string, script: string): Promise<void> => {
      await writeFile(join(scratch, name), `#!/bin/sh\nPATH='${PATH}'\n${script}\n`, { mode: 0o700 })
    }
    process.env['PATH'] = `${scratch}${delimiter}${PATH}`
    try {
      // During the boot: measured, but not quoted yet. By the launcher, because what it starts only reaches its own directory.
      const cases = `*swtpm\\ socket*) echo $$ >'${pid}' ;; *tpm2_quote*) kill -9 "$(cat '${pid}')" ;;`
      await program('setpriv', `case "$*" in ${cases} esac\nexec setpriv "$@"`)
      expect(await bootOf(two)).toMatch(/^VtpmEnded .*tpm2_quote/)
      // Before it answers anything.
      await program('swtpm', 'exit 1')
      expect(await bootOf(two)).toMatch(/^VtpmDidNotStart /)
    } finally {
      process.env['PATH'] = PATH
    }
    expect(await bootOf(two)).toBe('attested')
  }, 240_000)
})
