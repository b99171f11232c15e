import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, systemClock } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { exampleSpec } from '@strongroom/paravisor/testing'
import type { ChangeAtRest } from './change-at-rest.ts'
import { vmFiles, type VmFiles } from '../records/layout.ts'
import { newRecord, type InstanceRecord } from '../records/record.ts'
import { adoptRekeyed, rekeyInstance } from './rekey.ts'
import type { HostServices } from './services.ts'

/** Each effect on the disk, the store or the vault goes through `effect`, which may be the last thing that the server does. */
const fakes = vi.hoisted(() => ({
  effect: (_name: string): void => {},
  rekeyed: vi.fn(),
  retired: vi.fn(),
  revoked: vi.fn(),
}))
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>()
  return {
    ...real,
    rename: async (from: string, to: string) => {
      fakes.effect(`rename ${from}`)
      await real.rename(from, to)
    },
  }
})
vi.mock('@strongroom/paravisor', async (original) => ({
  ...(await original<object>()),
  rekeyGuest: fakes.rekeyed,
  retireOlderStates: fakes.retired,
}))
vi.mock('@strongroom/paravisor/expected', async (original) => ({
  ...(await original<object>()),
  readFirmware: async () => new Uint8Array(),
}))
vi.mock('../disks/rekey-disk.ts', () => ({
  encryptDiskAnew: async ({ out }: { out: string }) => {
    fakes.effect('write disk')
    await writeFile(out, 'new disk')
    return 'uuid'
  },
}))

const id = '00000000-0000-4000-8000-000000000001'

let directory: string
let files: VmFiles
let record: InstanceRecord
/** What a starting server finds. */
let saved: InstanceRecord
let request: ChangeAtRest
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rekey-'))
  files = vmFiles(directory, exampleSpec.vmId)
  await mkdir(files.directory, { recursive: true })
  await writeFile(files.disk, 'old disk')
  await writeFile(files.guestState, 'old state')
  record = { ...newRecord(structuredClone(exampleSpec), new Date()), identity: { akSpki: '', ekSpki: '' } }
  record.volume = 'old volume'
  saved = structuredClone(record)
  request = asked()
  fakes.effect = () => {}
  fakes.revoked.mockReset()
  fakes.retired.mockReset().mockImplementation(async () => fakes.effect('retire'))
  fakes.rekeyed
    .mockReset()
    .mockImplementation(async (o: { out: string; encryptAnew: (keys: object) => Promise<string> }) => {
      await o.encryptAnew({})
      fakes.effect('write state')
      await writeFile(o.out, 'new state')
      return { volume: 'new volume' }
    })
})
afterEach(async () => await rm(directory, { recursive: true, force: true }))

const asked = (): ChangeAtRest => ({
  services: {
    silicon: {},
    installation: { tenantId: '' },
    clock: systemClock,
    logger: createLogger({ level: 'silent' }),
    grants: { revoke: fakes.revoked },
  } as unknown as HostServices,
  record,
  files,
  save: async () => {
    fakes.effect('save')
    saved = structuredClone(record)
  },
  step: () => {},
  signal: new AbortController().signal,
})

/** Disk, guest state and the volume that boots must show, and what else there is. */
const found = async (): Promise<[string, string, string | undefined, string[]]> => [
  await readFile(files.disk, 'utf8'),
  await readFile(files.guestState, 'utf8'),
  saved.volume,
  (await readdir(files.directory)).filter((name) => name.endsWith('.rekeyed')),
]
const before = ['old disk', 'old state', 'old volume', []]
const after = ['new disk', 'new state', 'new volume', []]

/** Starts a server with the saved record and files. */
async function restart(): Promise<void> {
  fakes.effect = () => {}
  record = structuredClone(saved)
  request = asked()
  await adoptRekeyed(request)
}

/** Every effect of an undisturbed replacement, in order. */
async function effects(): Promise<string[]> {
  const names: string[] = []
  fakes.effect = (name) => void names.push(name)
  await rekeyInstance(request, { id })
  return names.map((name) => name.replace(`${files.directory}/`, ''))
}

describe('a VM whose volume key is replaced', () => {
  it('has disk, guest state and volume together, and only then older states are refused', async () => {
    expect(await effects()).toEqual([
      'write disk',
      'write state',
      'save',
      'rename os-disk.raw.rekeyed',
      'rename guest-state.vmgs.rekeyed',
      'save',
      'retire',
    ])
    expect(await found()).toEqual(after)
    expect(fakes.revoked).toHaveBeenCalledWith(exampleSpec.vmId)
  })

  it.each([1, 2, 3, 4, 5, 6, 7])(
    'has the old pair or the new one, whole, where the server dies before effect %i, and a repetition ends it (attack H44)',
    async (n) => {
      let count = 0
      fakes.effect = () => {
        if (++count >= n) throw new Error('killed')
      }
      await expect(rekeyInstance(request, { id })).rejects.toThrow('killed')
      await restart()
      expect(await found()).toEqual(n <= 3 ? before : after)
      await rekeyInstance(request, { id })
      expect(await found()).toEqual(after)
      expect(fakes.rekeyed).toHaveBeenCalledTimes(n <= 3 ? 2 : 1)
      expect(fakes.retired).toHaveBeenCalled()
    },
  )

  it.each([
    ['the disk alone was written', async () => await writeFile(files.rekeyedDisk, 'half')],
    [
      'both were written, and the record was not',
      async () => {
        await writeFile(files.rekeyedDisk, 'new disk')
        await writeFile(files.rekeyedState, 'new state')
      },
    ],
  ])('is as it was after a power cut where %s', async (_what, left) => {
    await left()
    await restart()
    expect(await found()).toEqual(before)
  })

  it('stays the new one in a server whose record could not be stored, and moves nothing before it is', async () => {
    let fails = true
    request.save = async () => {
      if (fails) throw new Error('no database')
      saved = structuredClone(record)
      await Promise.resolve()
    }
    await expect(rekeyInstance(request, { id })).rejects.toThrow('no database')
    await expect(adoptRekeyed(request)).rejects.toThrow('no database')
    expect(await readFile(files.disk, 'utf8')).toBe('old disk')
    fails = false
    await adoptRekeyed(request)
    expect(await found()).toEqual(after)
  })

  it('is done once for one request, and again for another', async () => {
    await rekeyInstance(request, { id })
    await rekeyInstance(request, { id })
    expect(fakes.rekeyed).toHaveBeenCalledOnce()
    await rekeyInstance(request, { id: id.replace(/1$/, '2') })
    expect(fakes.rekeyed).toHaveBeenCalledTimes(2)
  })

  it('is not done before older guest states are refused', async () => {
    fakes.retired.mockRejectedValueOnce(new Error('the key service is away'))
    await expect(rekeyInstance(request, { id })).rejects.toThrow('the key service is away')
    await rekeyInstance(request, { id })
    expect([await found(), fakes.rekeyed.mock.calls.length]).toEqual([after, 1])
  })

  it('is as it was where it fails, with nothing left beside', async () => {
    fakes.rekeyed.mockImplementation(async ({ out }: { out: string }) => {
      await writeFile(files.rekeyedDisk, 'half')
      await writeFile(out, 'half')
      throw new Error('the key was not released')
    })
    await expect(rekeyInstance(request, { id })).rejects.toThrow('not released')
    expect(await found()).toEqual(before)
  })

  it.each(['VMGuestStateOnly', 'NonPersistedTPM'] as const)('is refused with %s', async (encryption) => {
    record.spec = { ...exampleSpec, security: { ...exampleSpec.security, encryption } }
    await expect(rekeyInstance(request, { id })).rejects.toMatchObject({
      code: 'InstanceNotRekeyable',
      found: encryption,
    })
    expect(await found()).toEqual(before)
  })
})
