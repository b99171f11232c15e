import { copyFile, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { begin, killAtEachStep } from './support/kill-steps.ts'
import { TestInstallation } from './support/installation.ts'
import { readEvidence, type VmView } from './support/vm.ts'

/**
 * One confidential VM, really booted, whose OS disk gets a new volume key: it loses nothing, and its host has the disk and the guest
 * state of before.
 */
const installation = await TestInstallation.create()
const name = 'rekeyed'
let folder: string
const at = (file: string): string => join(folder, file)
const [disk, state] = ['os-disk.raw', 'guest-state.vmgs']

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
  const vm = await installation.must<VmView>('vm', 'create', name)
  folder = installation.vmFolder(vm.properties.vmId.toUpperCase())
})

afterAll(async () => await installation.remove())

const trust = async (): Promise<{ code: number; stdout: string }> => await installation.cli('vm', 'trust', name)
const replaced = 'the volume key was replaced by your `vm rekey` of '

/** The VM does not start, for this reason. */
async function refused(code: string): Promise<void> {
  const { json, stdout } = await installation.cli('vm', 'start', name)
  expect((json as { error?: { code: string } }).error?.code, stdout).toBe(code)
  await installation.must('vm', 'deallocate', name)
}

let volume: string | undefined

describe('a VM whose volume key is replaced', () => {
  it('is refused while it runs, and trusted before', async () => {
    await installation.asRoot(name, 'echo kept >/var/kept; sync')
    expect((await trust()).code).toBe(0)
    volume = (await readEvidence(installation, name)).expected.volume
    const { json } = await installation.cli('vm', 'rekey', name)
    expect((json as { error?: { code: string } }).error?.code).toBe('OperationNotAllowed')
  })

  it('gets another key, and says what stays readable', async () => {
    await installation.must('vm', 'deallocate', name)
    for (const file of [disk, state]) await copyFile(at(file), at(`${file}.old`))
    const { code, stdout } = await installation.cli('vm', 'rekey', name)
    expect([code, stdout]).toEqual([0, expect.stringContaining('"noted": true')])
    expect((await readdir(folder)).filter((file) => file.endsWith('.rekeyed'))).toEqual([])
    expect((await trust()).stdout).toContain('this boot opened the volume of before')
  })

  it('has its file, and a report that is whole and accounts for the other volume, once', async () => {
    await installation.must('vm', 'start', name)
    expect(await installation.asRoot(name, 'cat /var/kept')).toBe('kept')
    const evidence = await readEvidence(installation, name)
    expect(evidence.expected.volume).not.toBe(volume)
    const first = await trust()
    expect([first.code, first.stdout.includes(replaced)], first.stdout).toEqual([0, true])
    const second = await trust()
    expect([second.code, second.stdout.includes(replaced)], second.stdout).toEqual([0, false])
    await installation.must('vm', 'deallocate', name)
  })

  it('does not open the disk of before, nor start with the guest state of before (attack H44)', async () => {
    await rename(at(disk), at(`${disk}.new`))
    await rename(at(`${disk}.old`), at(disk))
    await refused('OsDiskDidNotUnlock')
    await copyFile(at(state), at(`${state}.new`))
    await rename(at(`${state}.old`), at(state))
    await refused('GuestStateRolledBack')
    await rename(at(`${state}.new`), at(state))
    await rename(at(`${disk}.new`), at(disk))
  })

  it('gets one with the server killed at each step, and starts with its file', async () => {
    const operation = await begin(installation, { vm: name, method: 'POST', action: '/rekey' })
    expect((await killAtEachStep(installation, operation)).status).toBe('Succeeded')
    expect((await readdir(folder)).filter((file) => file.endsWith('.rekeyed'))).toEqual([])
    await installation.must('vm', 'start', name)
    expect(await installation.asRoot(name, 'cat /var/kept')).toBe('kept')
    // Nobody noted this one.
    expect((await trust()).stdout).toContain('VolumeMismatch')
  })
})
