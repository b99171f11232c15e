import { describe, expect, it } from 'vitest'
import { knownAsked, knownBackup, knownRestore, sharedIssuer, type KnownAsked } from './asked.ts'
import { isKnown } from './known.ts'
import type { Asked } from './request.ts'

const least: Asked = {
  encryption: 'DiskWithVMGuestState',
  size: 'Standard_DC2as_v5',
  firmware: { unknown: 'no copy' },
  image: { by: 'creator', reference: undefined },
  secureBoot: true,
}
const pinned = { version: 'ovmf 1', securityVersion: 1, sha256: 'aa', measurement: 'bb' }
const settled = new Uint8Array()
const all: Asked = {
  ...least,
  vmId: 'vm',
  askedFirmware: { updates: 'Pinned', pinned },
  image: { ...least.image, bootFile: 'cc', publisher: 'dd', generation: 3, variableUpdates: 4 },
  volume: 'ee',
  rekeyed: 'at',
  diskEncryptionSet: 'set',
  restored: { manifest: 'ff', settled },
  settings: { by: 'file', settled },
  sshHostKey: 'key',
  asked: { issuer: 'https://a.example' },
}

/** Each part with its value and who vouches for it. */
const partsOf = (o: Partial<KnownAsked>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(o).map(([name, part]) => [name, isKnown(part) ? [part.value, ...part.restsOn] : part]),
  )

it('names the provider that the home region shares', () => {
  expect(sharedIssuer).toBe('https://sharedweu.weu.attest.strongroom.internal')
})

describe('a request', () => {
  it('is its creator’s, but for what comes from the resource manager’s record', () => {
    expect(partsOf(knownAsked(all))).toEqual({
      vmId: ['vm', 'first use'],
      encryption: ['DiskWithVMGuestState', 'verifier'],
      size: ['Standard_DC2as_v5', 'first use'],
      firmware: { unknown: 'no copy' },
      updates: ['Pinned', 'verifier'],
      ranFirmware: [pinned, 'verifier'],
      image: [all.image, 'verifier'],
      bootFile: ['cc', 'verifier'],
      publisher: ['dd', 'verifier'],
      generation: [3, 'verifier'],
      variableUpdates: [4, 'verifier'],
      secureBoot: [true, 'verifier'],
      volume: ['ee', 'verifier'],
      rekeyed: ['at', 'verifier'],
      diskEncryptionSet: ['set', 'first use'],
      restored: [all.restored, 'verifier'],
      settings: [all.settings, 'verifier'],
      sshHostKey: ['key', 'verifier'],
      issuer: ['https://a.example', 'first use'],
    })
  })

  it('leaves undefined what was not asked for, with Azure’s defaults', () => {
    const nothing = { vmId: undefined, ranFirmware: undefined, bootFile: undefined, publisher: undefined }
    expect(partsOf(knownAsked(least))).toEqual({
      ...nothing,
      encryption: ['DiskWithVMGuestState', 'verifier'],
      size: ['Standard_DC2as_v5', 'first use'],
      firmware: { unknown: 'no copy' },
      updates: ['Listed', 'verifier'],
      image: [least.image, 'verifier'],
      generation: [0, 'verifier'],
      variableUpdates: [0, 'verifier'],
      secureBoot: [true, 'verifier'],
      volume: undefined,
      rekeyed: undefined,
      diskEncryptionSet: undefined,
      restored: undefined,
      settings: undefined,
      sshHostKey: undefined,
      issuer: [sharedIssuer, 'computed'],
    })
    expect(knownAsked({ ...least, asked: { unknown: 'it was deleted' } }).issuer).toBeUndefined()
    expect(knownAsked({ ...least, restored: null }).restored?.value).toBeNull()
  })

  it.each(['first boot', 'resource manager'] as const)('is taken as first seen where it is of the %s', (by) => {
    const parts = knownAsked({ ...all, image: { ...all.image, by }, firmware: { pinned: 'aa' } })
    const { rekeyed, restored, settings, issuer: _issuer, firmware, ...others } = parts
    for (const [name, part] of Object.entries(others))
      expect([name, ...(part?.restsOn ?? [])]).toEqual([name, 'first use'])
    for (const part of [rekeyed, restored, settings]) expect([...(part?.restsOn ?? [])]).toEqual(['verifier'])
    expect(partsOf(firmware as object)).toEqual({ pinned: ['aa', 'first use'] })
  })

  it.each([
    ['owner', 'verifier'],
    ['creator', 'verifier'],
    ['file', 'verifier'],
    ['backup', 'verifier'],
    ['first boot', 'first use'],
    ['resource manager', 'first use'],
  ] as const)('has settings of the %s, for which the %s vouches', (by, source) => {
    const settings = { by, settled, asked: {} } as unknown as NonNullable<Asked['settings']>
    expect([...(knownAsked({ ...least, settings }).settings?.restsOn ?? [])]).toEqual([source])
  })

  it('has the verifier’s own firmware, or a measurement by whom the image is', () => {
    const own = { name: 'own.fd', bytes: new Uint8Array(1) }
    expect(partsOf(knownAsked({ ...least, firmware: own }).firmware as object)).toEqual({ own: [own, 'verifier'] })
    expect(partsOf(knownAsked({ ...least, firmware: { pinned: 'aa' } }).firmware as object)).toEqual({
      pinned: ['aa', 'verifier'],
    })
  })
})

describe('a backup', () => {
  it('has a manifest that the verifier digested, of a VM by the resource manager’s record', () => {
    const o = { vmId: 'vm', manifest: 'ab' }
    const backup = { vmId: ['vm', 'first use'], manifest: ['ab', 'verifier'] }
    expect(partsOf(knownBackup(o))).toEqual(backup)
    const { firmware, ...others } = knownRestore({ ...o, size: 's', firmware: { pinned: 'aa' } })
    expect(partsOf(others)).toEqual({ ...backup, size: ['s', 'first use'] })
    expect(partsOf(firmware as object)).toEqual({ pinned: ['aa', 'first use'] })
  })
})
