import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { changeAsked, recallAsked, rememberAsked, type AskedVm } from './asked-settings.ts'
import { pinBoot } from './pin-boot.ts'
import { noteRekey } from './rekey-note.ts'

const vmId = '89E7FA0D-B62B-4961-9FC1-8871A5A7B675'
const digest = (digit: string): string => digit.repeat(64)
const asked: AskedVm = {
  adminUsername: 'azureuser',
  sshPublicKeys: ['ssh-ed25519 AAAA me'],
  vm: { image: 'Strongroom:debian-13:cvm:latest', secureBoot: true, encryption: 'DiskWithVMGuestState' },
  pins: { bootFile: digest('a'), volume: digest('b'), generation: 1 },
}

let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'asked-'))))
afterEach(async () => await rm(folder, { recursive: true, force: true }))
const file = (): string => join(folder, 'asked', `${vmId.toLowerCase()}.json`)

/** Runs a program that has `changeAsked`, `rememberAsked` and the test's values, in a process of its own. */
async function inProcess(program: string, before: string[] = []): Promise<string> {
  const source = `
    import { changeAsked, rememberAsked } from ${JSON.stringify(join(import.meta.dirname, 'asked-settings.ts'))}
    const [folder, vmId, asked] = ${JSON.stringify([folder, vmId, asked])}
    ${program}`
  const node = [
    process.execPath,
    '--conditions=x-source',
    '--disable-warning=ExperimentalWarning',
    '--input-type=module-typescript',
    '-e',
    source,
  ]
  const [command = '', ...args] = [...before, ...node]
  return (await promisify(execFile)(command, args)).stdout
}

describe('the record of what a VM was created with', () => {
  it('is for its owner alone, and is the same when it is stored again', async () => {
    await rememberAsked(folder, vmId, asked)
    await rememberAsked(folder, vmId, asked)
    expect(await recallAsked(folder, vmId)).toEqual(asked)
    expect((await stat(file())).mode & 0o777).toBe(0o600)
  })

  it('is not replaced by another one, nor is one that cannot be read', async () => {
    await rememberAsked(folder, vmId, asked)
    const { pins: _, ...without } = asked
    await expect(rememberAsked(folder, vmId, without)).rejects.toMatchObject({ code: 'AskedSettingsExist' })
    expect(await recallAsked(folder, vmId)).toEqual(asked)
    await writeFile(file(), '{"pins":')
    await expect(rememberAsked(folder, vmId, asked)).rejects.toMatchObject({ code: 'AskedSettingsUnreadable' })
    await expect(changeAsked(folder, vmId, () => asked)).rejects.toMatchObject({ code: 'AskedSettingsUnreadable' })
    expect(await readFile(file(), 'utf8')).toBe('{"pins":')
  })

  it('keeps everything else when a part of it changes, what this version does not know too', async () => {
    const future = { ...asked, ofLater: { version: 2 } }
    await rememberAsked(folder, vmId, future)
    const seen = { bootFile: digest('c'), generation: 3, volume: digest('d') }
    const lines = await pinBoot(folder, { vmId, id: '/vm', seen, firstSeen: undefined, at: new Date() })
    expect(await recallAsked(folder, vmId)).toEqual({ ...future, pins: { ...asked.pins, generation: 3 } })
    expect(lines).toEqual(['generation of the boot file 3'])
    expect((await stat(file())).mode & 0o777).toBe(0o600)
  })

  it('loses nothing that processes change at once', { timeout: 60_000 }, async () => {
    await rememberAsked(folder, vmId, asked)
    const raise = `for (let n = 0; n < 10; n++)
      await changeAsked(folder, vmId, (now) => ({ ...now, pins: { ...now.pins, generation: now.pins.generation + 1 } }))`
    await Promise.all([1, 2, 3].map(async () => await inProcess(raise)))
    expect((await recallAsked(folder, vmId))?.pins?.generation).toBe(31)
  })

  it('loses nothing that one process changes at once', async () => {
    await rememberAsked(folder, vmId, asked)
    await Promise.all(
      Array.from({ length: 20 }, async () =>
        changeAsked(folder, vmId, (now) => ({
          ...now,
          pins: { ...asked.pins!, generation: (now?.pins?.generation ?? 0) + 1 },
        })),
      ),
    )
    expect((await recallAsked(folder, vmId))?.pins?.generation).toBe(21)
  })

  it('is created by one of two processes whose records differ', { timeout: 60_000 }, async () => {
    const create = (name: string): string => `
      const made = await rememberAsked(folder, vmId, { ...asked, adminUsername: '${name}' }).then(() => true, ({ code }) => code)
      process.stdout.write(JSON.stringify(made))`
    const outcomes = await Promise.all(['one', 'two'].map(async (name) => await inProcess(create(name))))
    expect(outcomes.toSorted()).toEqual(['"AskedSettingsExist"', 'true'])
    expect((await recallAsked(folder, vmId))?.adminUsername).toBe(['one', 'two'][outcomes.indexOf('true')])
  })

  it('is whole after a write that found no room', { timeout: 60_000 }, async () => {
    await rememberAsked(folder, vmId, asked)
    // As on a full disk, a file grows no further than this.
    const full = ['prlimit', '--fsize=64']
    const change = `process.on('SIGXFSZ', () => {})
      const refused = await changeAsked(folder, vmId, (now) => ({ ...now, adminUsername: 'x'.repeat(9000) }))
        .then(() => 'written', ({ code }) => code)
      process.stdout.write(refused)`
    expect(await inProcess(change, full)).toBe('FileNotWritten')
    expect(await recallAsked(folder, vmId)).toEqual(asked)
    expect(await readdir(join(folder, 'asked'))).toEqual(expect.not.arrayContaining([expect.stringMatching(/partial/)]))
  })
})

describe('what is pinned of a VM that was not created here', () => {
  const seen = { bootFile: digest('c') }
  const firstSeen: AskedVm = { firstSeen: { at: '2026-12-01T00:00:00.000Z', settled: 'AAAA' } }

  it('is a record of what it first showed, and each line of it is reported', async () => {
    const lines = await pinBoot(folder, { vmId, id: '/vm', seen, firstSeen, at: new Date() })
    expect(await recallAsked(folder, vmId)).toEqual({ ...firstSeen, pins: seen })
    expect(lines).toEqual([`boot file ${digest('c')}`, 'account and keys, as the guest set them up'])
  })

  it('does not replace the record of what it was created with', async () => {
    await rememberAsked(folder, vmId, asked)
    await pinBoot(folder, { vmId, id: '/vm', seen, firstSeen, at: new Date() })
    expect(await recallAsked(folder, vmId)).toEqual(asked)
  })
})

describe('the volume that is pinned of a VM whose owner replaced its key', () => {
  const at = new Date('2026-12-03T12:00:00.000Z')
  const rekeyed = at.toISOString()
  const seen = { bootFile: digest('a'), volume: digest('d'), generation: 1 }
  const trust = async (volume: string, note?: string): Promise<string[]> =>
    await pinBoot(folder, {
      vmId,
      id: '/vm',
      seen: { ...seen, volume },
      firstSeen: undefined,
      rekeyed: note,
      at: new Date(),
    })
  beforeEach(async () => await rememberAsked(folder, vmId, asked))

  it('changes once, with a boot that was verified against the note, and the note is gone', async () => {
    expect(await noteRekey(folder, { vmId, at })).toBe(true)
    expect(await recallAsked(folder, vmId)).toEqual({ ...asked, rekey: { at: rekeyed } })
    expect(await trust(digest('d'), rekeyed)).toEqual([`volume ${digest('d')}`])
    expect(await recallAsked(folder, vmId)).toEqual({ ...asked, pins: { ...asked.pins, volume: digest('d') } })
  })

  it('does not change a second time, nor without the note (attack H44)', async () => {
    expect(await trust(digest('e'))).toEqual([])
    await noteRekey(folder, { vmId, at })
    await trust(digest('d'), rekeyed)
    expect(await trust(digest('e'), rekeyed)).toEqual([])
    expect((await recallAsked(folder, vmId))?.pins?.volume).toBe(digest('d'))
  })

  it('does not change by a boot that was verified before another replacement (attack H44)', async () => {
    await noteRekey(folder, { vmId, at })
    await noteRekey(folder, { vmId, at: new Date('2026-12-03T13:00:00.000Z') })
    await trust(digest('d'), rekeyed)
    const stored = await recallAsked(folder, vmId)
    expect([stored?.pins?.volume, stored?.rekey?.at]).toEqual([digest('b'), '2026-12-03T13:00:00.000Z'])
  })

  it('is not noted where none is pinned', async () => {
    await changeAsked(folder, vmId, () => ({ ...asked, pins: { bootFile: digest('a') } }))
    expect(await noteRekey(folder, { vmId, at })).toBe(false)
    expect((await recallAsked(folder, vmId))?.rekey).toBeUndefined()
  })

  it('is not read from a damaged note', async () => {
    await changeAsked(folder, vmId, () => ({ ...asked, rekey: { at: 'yesterday' } }))
    await expect(recallAsked(folder, vmId)).rejects.toMatchObject({ code: 'AskedSettingsUnreadable' })
  })
})
