import { harmless, refused, type Attack, type Ending } from './attack.ts'
import type { Host } from '../host/host.ts'
import { partitionTypes, readTable } from '../host/partitions.ts'
import { hasLuks2, rewriteLuks2, type Luks2Metadata } from '../payload/luks2.ts'
import { copyRange, makeRoot } from '../payload/root.ts'

/** The outcome if an initrd refuses a disk. */
export const diskRefused: Ending = refused(/^(OsDiskDidNotUnlock|OsDiskReplaced)$/)

export async function rootOffset(disk: string): Promise<number> {
  const root = (await readTable(disk)).find(({ type }) => type === partitionTypes.root)
  if (root === undefined) throw new TypeError(`${disk} has no root partition`)
  return root.offset
}

interface Rewriting {
  name: string
  row: 'D1' | 'D2' | 'D4' | 'H1'
  what: string
  /** A root file system of the host's is put where the volume's data is. */
  plain?: boolean
  change(metadata: Luks2Metadata): void
}

const cipher =
  (encryption: string, more: object = {}) =>
  (metadata: Luks2Metadata): void => {
    for (const segment of Object.values(metadata.segments) as Luks2Metadata[])
      Object.assign(segment, { encryption }, more)
  }

const rewritings: Rewriting[] = [
  {
    name: 'null-ecb',
    row: 'D1',
    what: 'cipher_null-ecb over a root of the host’s',
    plain: true,
    change: cipher('cipher_null-ecb'),
  },
  {
    name: 'null-capi',
    row: 'D1',
    what: 'capi:ecb(cipher_null) over a root of the host’s',
    plain: true,
    change: cipher('capi:ecb(cipher_null)-plain64'),
  },
  {
    name: 'null-short',
    row: 'D1',
    what: 'null-ecb over a root of the host’s',
    plain: true,
    change: cipher('null-ecb'),
  },
  { name: 'ctr-null', row: 'D1', what: 'capi:ctr(aes)-null', change: cipher('capi:ctr(aes)-null') },
  {
    name: 'linear',
    row: 'D1',
    what: 'a segment of type linear, which is not encrypted, over a root of the host’s',
    plain: true,
    change: linear,
  },
  { name: 'aes-ecb', row: 'D2', what: 'aes-ecb', change: cipher('aes-ecb') },
  { name: 'aes-xts-plain', row: 'D2', what: 'aes-xts-plain, whose counter wraps', change: cipher('aes-xts-plain') },
  {
    name: 'reencryption',
    row: 'D4',
    what: 'the flags of a re-encryption that is under way',
    change: (metadata) => void (metadata.config.requirements = { mandatory: ['online-reencrypt-v2'] }),
  },
  { name: 'second-segment', row: 'H1', what: 'a second segment', change: secondSegment },
  { name: 'key-slot', row: 'H1', what: 'a key slot of the host’s, which the header has none of', change: ownKeyslot },
  {
    name: 'second-token',
    row: 'H1',
    what: 'a token more',
    change: (metadata) => void (metadata.tokens['1'] = { type: 'drill', keyslots: [] }),
  },
  {
    name: 'sector-size',
    row: 'H1',
    what: 'sectors of 512 bytes',
    change: cipher('aes-xts-plain64', { sector_size: 512 }),
  },
  { name: 'offset', row: 'H1', what: 'data that begin a mebibyte later', change: movedData },
]

function linear(metadata: Luks2Metadata): void {
  metadata.segments['0'] = { type: 'linear', offset: metadata.segments['0'].offset, size: 'dynamic' }
}

function secondSegment(metadata: Luks2Metadata): void {
  const first = metadata.segments['0']
  const half = String(64 * 1024 ** 2)
  metadata.segments['1'] = { ...first, offset: String(Number(first.offset) + Number(half)) }
  metadata.segments['0'] = { ...first, size: half }
  for (const digest of Object.values(metadata.digests) as Luks2Metadata[]) digest.segments = ['0', '1']
}

/** As cryptsetup writes one (LUKS2 On-Disk Format Specification 1.1.0, section 3.2), after the two copies of the header. */
function ownKeyslot(metadata: Luks2Metadata): void {
  metadata.keyslots['0'] = {
    type: 'luks2',
    key_size: 64,
    af: { type: 'luks1', stripes: 4000, hash: 'sha256' },
    area: { type: 'raw', offset: '32768', size: '258048', encryption: 'aes-xts-plain64', key_size: 64 },
    kdf: { type: 'pbkdf2', hash: 'sha256', iterations: 1000, salt: Buffer.alloc(32, 1).toString('base64') },
  }
  for (const digest of Object.values(metadata.digests) as Luks2Metadata[]) digest.keyslots = ['0']
}

function movedData(metadata: Luks2Metadata): void {
  const segment = metadata.segments['0']
  segment.offset = String(Number(segment.offset) + 1024 ** 2)
}

const attackOf = (rewriting: Rewriting): Attack => ({
  id: `${rewriting.row}/${rewriting.name}`,
  title: `LUKS2 header rewritten: ${rewriting.what}`,
  does: 'rewrites both copies of the header on the OS disk and recomputes their checksums, without a key',
  // The content of an unread header does not matter.
  ends: rewriting.plain === true ? [diskRefused] : [diskRefused, harmless],
  cannot: async (host) =>
    (await hasLuks2(host.disk, await rootOffset(host.disk))) ? undefined : 'there is no LUKS2 header on this OS disk',
  carryOut: async (host) => {
    const offset = await rootOffset(host.disk)
    let dataOffset = 0
    await rewriteLuks2(host.disk, offset, (metadata) => {
      dataOffset = Number(metadata.segments['0'].offset)
      rewriting.change(metadata)
    })
    if (rewriting.plain === true) await layRoot(host, offset + dataOffset)
    return await host.boot()
  },
})

/** Puts a root file system of the host's on the OS disk. */
export async function layRoot(host: Host, offset: number): Promise<void> {
  const image = host.imageFile('disk.raw')
  const root = await host.file('root.ext4')
  await makeRoot({ image, out: root, mark: host.mark('code in the root file system') })
  const from = (await readTable(image)).find(({ type }) => type === partitionTypes.root)!
  await copyRange({ from: root, fromOffset: 0, length: from.sizeBytes, to: host.disk, toOffset: offset })
}

export const diskHeaderAttacks: Attack[] = rewritings.map(attackOf)
