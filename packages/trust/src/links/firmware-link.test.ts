import { generateKeyPairSync, sign } from 'node:crypto'
import type { FirmwareUpdates } from '@strongroom/contract'
import { toHex, type KeyRelease, type TrustAnchors } from '@strongroom/evidence'
import { firmwareListText, firmwareListType, type FirmwareRelease } from '@strongroom/evidence/expected'
import { describe, expect, it } from 'vitest'
import { constant, vouch } from '../provenance/known.ts'
import { judge, type Link } from '../provenance/link.ts'
import type { PinnedFirmware } from '../provenance/request.ts'
import { firmwareLink } from './firmware-link.ts'
import type { SiliconFinding } from './silicon-link.ts'

const bytes = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill)
const signer = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const anchors = {
  simulated: true,
  amd: [],
  intel: [],
  images: [{ ...signer.publicKey.export({ format: 'jwk' }), kid: 'own' }],
} as unknown as TrustAnchors

/** A release whose MRTD and SHA-256 are its number, repeated. */
const releaseOf = (n: number): FirmwareRelease => ({
  version: `ovmf ${n}`,
  securityVersion: n,
  builtAt: new Date('2026-11-01'),
  sha256: bytes(32, n),
  snp: { start: bytes(48, n), resetAddress: 0xffff_fff0 },
  mrtd: bytes(48, n),
})
const pinOf = (n: number): PinnedFirmware => ({
  version: `ovmf ${n}`,
  securityVersion: n,
  sha256: toHex(bytes(32, n)),
  measurement: toHex(bytes(48, n)),
})

function listOf(releases: FirmwareRelease[], key = signer.privateKey): string {
  const text = firmwareListText({ signedAt: new Date('2026-11-29'), first: true, releases })
  const header = JSON.stringify({ alg: 'ES256', typ: firmwareListType, kid: 'own' })
  const input = [Buffer.from(header), Buffer.from(text)].map((part) => part.toString('base64url')).join('.')
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

interface Case {
  ran: number
  list?: string | undefined
  updates?: FirmwareUpdates
  said?: unknown
  pinned?: PinnedFirmware
  before?: object
}

async function linked(o: Case, under = anchors): Promise<Link & { pin: PinnedFirmware | undefined }> {
  const { updates = 'Listed', list = listOf([releaseOf(1), releaseOf(2)]), said = updates } = o
  const silicon: SiliconFinding = {
    kind: constant('TDX'),
    measurement: vouch(bytes(48, o.ran), 'silicon'),
    reportData: vouch(bytes(64, 0), 'silicon'),
    verifySibling: async () => ({ measurement: vouch(bytes(48, o.ran), 'silicon'), reportData: undefined }),
  }
  const tags = {
    'x-strongroom-firmware-list': 'list' in o ? o.list : list,
    'x-strongroom-firmware-updates': said,
    ...(o.before && { 'x-strongroom-firmware-before': JSON.stringify(o.before) }),
  }
  const asked = {
    updates: vouch(updates, 'verifier'),
    ranFirmware: o.pinned === undefined ? undefined : vouch(o.pinned, 'verifier'),
  }
  let pin: PinnedFirmware | undefined
  const link = await judge('firmware', '', async (proof) => {
    const release = vouch({ tags } as unknown as KeyRelease, 'pinned key')
    pin = (await firmwareLink(silicon, release, { anchors: under, asked, proof })).value
  })
  return { ...link, pin }
}

describe('the link to the firmware release', () => {
  it('holds for a release of the signed list, and pins it', async () => {
    expect(await linked({ ran: 2 })).toMatchObject({
      outcome: 'verified',
      restsOn: ['silicon', 'pinned key', 'verifier'],
      pin: pinOf(2),
      shows: [
        'ovmf 2, security version 2, built 2026-11-01T00:00:00.000Z, SHA-256 0202020202020202…',
        'in a list of 2 that a pinned key signed on 2026-11-29T00:00:00.000Z; allowed: listed firmware that is not older in security',
      ],
    })
  })

  it('is refused for firmware that is in no list, and for a list under another key', async () => {
    expect(await linked({ ran: 3 })).toMatchObject({ outcome: 'refused', code: 'FirmwareNotListed', pin: undefined })
    const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    expect(await linked({ ran: 2, list: listOf([releaseOf(2)], foreign) })).toMatchObject({
      code: 'TokenSignatureInvalid',
    })
    expect(await linked({ ran: 2, list: undefined })).toMatchObject({ outcome: 'not checked' })
    const { images: _images, ...none } = anchors
    expect(await linked({ ran: 2 }, none)).toMatchObject({ code: 'TokenKeyUnknown' })
  })

  it('is refused for firmware that is older in security than what was trusted, unless its owner allows that', async () => {
    expect(await linked({ ran: 1, pinned: pinOf(2) })).toMatchObject({ code: 'FirmwareSuperseded' })
    expect(await linked({ ran: 1, pinned: pinOf(2), updates: 'Pinned' })).toMatchObject({ code: 'FirmwarePinned' })
    expect(await linked({ ran: 2, pinned: pinOf(1), updates: 'Pinned' })).toMatchObject({ code: 'FirmwarePinned' })
    expect(await linked({ ran: 1, pinned: pinOf(2), updates: 'ListedOrOlder' })).toMatchObject({
      outcome: 'verified',
      shows: expect.arrayContaining([
        expect.stringContaining('allowed: listed firmware, older too'),
        'changed since the last boot that you trusted:',
        `  from ovmf 2 (security version 2, SHA-256 0202020202020202…), launch measurement ${'02'.repeat(48)}`,
        `  to   ovmf 1 (security version 1, SHA-256 0101010101010101…), launch measurement ${'01'.repeat(48)}`,
      ]) as string[],
    })
  })

  it.each([
    ['Listed', 'ListedOrOlder'],
    ['Pinned', 'Listed'],
    ['Pinned', 'ListedOrOlder'],
    ['Listed', undefined],
    ['Listed', 'Whatever'],
  ] as const)('is refused where its owner set %s and the vault went by %s', async (updates, said) => {
    const o = { ran: 2, updates, pinned: pinOf(2), said: said ?? null }
    expect(await linked(o)).toMatchObject({
      code: 'FirmwareUpdatesIgnored',
      expected: updates,
      actual: String(said ?? null),
    })
  })

  it('holds where the vault went by a stricter rule, and where nothing changed', async () => {
    const pinned = pinOf(2)
    expect(await linked({ ran: 2, updates: 'ListedOrOlder', said: 'Pinned', pinned })).toMatchObject({
      outcome: 'verified',
      shows: [expect.anything(), expect.anything(), 'the firmware of the last boot that you trusted'],
    })
  })

  it('says from what it changed as the vault recorded it, where nobody pinned', async () => {
    const { shows } = await linked({ ran: 2, before: pinOf(1) })
    expect(shows.slice(2)).toEqual([
      'changed since the boot before, as the key service recorded it:',
      '  from ovmf 1 (security version 1, SHA-256 0101010101010101…)',
      '  to   ovmf 2 (security version 2, SHA-256 0202020202020202…)',
    ])
    expect((await linked({ ran: 2, before: pinOf(2) })).shows).toHaveLength(2)
  })
})
