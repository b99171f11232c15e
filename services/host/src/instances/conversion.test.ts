import type { InstanceSpec } from '@strongroom/contract'
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, systemClock } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { exampleSpec } from '@strongroom/paravisor/testing'
import type { ChangeAtRest } from './change-at-rest.ts'
import { adoptConverted, convertInstance } from './conversion.ts'
import { vmFiles, type VmFiles } from '../records/layout.ts'
import { newRecord, type InstanceRecord } from '../records/record.ts'
import type { HostServices } from './services.ts'

const fakes = vi.hoisted(() => ({ convert: vi.fn(), retired: vi.fn() }))
vi.mock('@strongroom/paravisor', async (original) => ({
  ...(await original<object>()),
  convertGuest: fakes.convert,
  wrappingKeyOf: async () => ({}),
}))
vi.mock('@strongroom/paravisor/expected', async (original) => ({
  ...(await original<object>()),
  readFirmware: async () => new Uint8Array(),
}))
vi.mock('./provision.ts', () => ({ imageOfVm: async () => ({}) }))

const conversion = {
  tee: 'TDX' as const,
  size: { name: 'Standard_DC2es_v5', vCPUs: 2, memoryMiB: 8192 },
  guestStateKey: 'tdx',
}

let directory: string
let files: VmFiles
let record: InstanceRecord
/** What a starting server finds. */
let saved: InstanceRecord
let request: ChangeAtRest
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'conversion-'))
  files = vmFiles(directory, exampleSpec.vmId)
  await mkdir(files.directory, { recursive: true })
  await writeFile(files.guestState, 'old')
  record = { ...newRecord(structuredClone(exampleSpec), new Date()), identity: { akSpki: '', ekSpki: '' } }
  saved = structuredClone(record)
  request = {
    services: {
      silicon: {},
      installation: { tenantId: '' },
      clock: systemClock,
      logger: createLogger({ level: 'silent' }),
    } as unknown as HostServices,
    record,
    files,
    save: async () => void (saved = structuredClone(record)),
    step: () => {},
    signal: new AbortController().signal,
  }
  fakes.retired.mockReset().mockResolvedValue(undefined)
  fakes.convert.mockReset().mockImplementation(async () => {
    await writeFile(files.convertedState, 'new')
    return { retireOld: fakes.retired }
  })
})
afterEach(async () => await rm(directory, { recursive: true, force: true }))

const state = async (): Promise<string> => await readFile(files.guestState, 'utf8')
const leftover = async (): Promise<boolean> =>
  await access(files.convertedState).then(
    () => true,
    () => false,
  )
/** Starts a server with the saved state and files. */
const restart = async (): Promise<InstanceRecord> => {
  record = structuredClone(saved)
  await adoptConverted({ record, files, save: async () => void (saved = structuredClone(record)) })
  return saved
}

describe('a VM that moves to other silicon', () => {
  it('has the new guest state, technology, size and key together, and the old one is retired last', async () => {
    await convertInstance(request, conversion)
    expect([await state(), await leftover(), saved.spec, saved.converted]).toEqual([
      'new',
      false,
      { ...exampleSpec, ...conversion },
      undefined,
    ])
    expect(fakes.retired).toHaveBeenCalledOnce()
  })

  it('does nothing when it is there already', async () => {
    await convertInstance(request, conversion)
    await convertInstance(request, conversion)
    expect(fakes.convert).toHaveBeenCalledOnce()
  })

  it('is as it was where the conversion fails, with nothing left beside', async () => {
    fakes.convert.mockImplementation(async () => {
      await writeFile(files.convertedState, 'half')
      throw new Error('the key was not released')
    })
    await expect(convertInstance(request, conversion)).rejects.toThrow('not released')
    expect([await state(), await leftover(), record.spec]).toEqual(['old', false, exampleSpec])
  })

  it('is as it was when the server dies before the record is written', async () => {
    request.save = async () => {
      throw new Error('killed')
    }
    await convertInstance(request, conversion).catch(() => {})
    await writeFile(files.convertedState, 'new')
    expect((await restart()).spec).toEqual(exampleSpec)
    expect([await state(), await leftover()]).toEqual(['old', false])
  })

  it.each(['before', 'after'])(
    'is converted when the server dies %s the new guest state took its place',
    async (when) => {
      record.spec = { ...record.spec, ...conversion }
      record.converted = true
      saved = structuredClone(record)
      if (when === 'before') await writeFile(files.convertedState, 'new')
      else await writeFile(files.guestState, 'new')
      const after = await restart()
      expect([(after.spec as InstanceSpec).tee, after.converted, await state(), await leftover()]).toEqual([
        'TDX',
        undefined,
        'new',
        false,
      ])
    },
  )

  it('stays converted where the old key cannot be told', async () => {
    fakes.retired.mockRejectedValue(new Error('the key service is away'))
    await convertInstance(request, conversion)
    expect((saved.spec as InstanceSpec).tee).toBe('TDX')
  })

  it('is refused without a vTPM that is kept', async () => {
    delete record.identity
    await expect(convertInstance(request, conversion)).rejects.toMatchObject({ code: 'InstanceNotConvertible' })
  })
})
