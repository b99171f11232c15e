import { createHash } from 'node:crypto'
import { toHex, utf8 } from '@strongroom/evidence'
import type { EvidencePolicy } from '@strongroom/evidence/files'
import { describe, expect, it } from 'vitest'
import {
  creationMessage,
  measuredLog,
  quoteMessage,
  SoftwareTpm,
} from '../../packages/evidence/src/testing/software-tpm.ts'
import { now } from '../../packages/silicon/src/testing/times.ts'
import { faultsOf, judgeFiles, type Files } from './support/judged.ts'
import { verifyFiles } from './support/doors.ts'
import { pemOf, spkiOf } from './support/paravisor.ts'

const anchors = { simulated: true, amd: [], intel: [] }
const judged = async (files: Files, policy?: EvidencePolicy): ReturnType<typeof judgeFiles> =>
  await judgeFiles(files, { anchors, at: now, policy })
const verdict = async (files: Files, policy?: EvidencePolicy): Promise<string[]> => {
  const found = await judged(files, policy)
  return [found.verdict, ...faultsOf(found)]
}

describe('a quote of a TPM without a paravisor', () => {
  const tpm = new SoftwareTpm()
  const { log, pcrs } = measuredLog([[0, 8, utf8('firmware')]])
  const message = quoteMessage(pcrs)
  const quote = { message: toHex(message), signature: toHex(tpm.sign(message)), pcrs: { 0: toHex(pcrs.get(0)!) } }

  it('holds by a key in a file of its own, which nothing endorses', async () => {
    for (const [files, ...wanted] of [
      [{ 'quote.json': quote, 'ak.pub': tpm.akPublic() }, 'unendorsed'],
      [{ 'quote.json': quote, 'ak.pub': tpm.akPublic(), 'log.bin': log }, 'unendorsed'],
      [{ 'quote.json': { ...quote, eventLog: toHex(log) }, 'ak.pub': tpm.akPublic() }, 'unendorsed'],
      [{ 'quote.json': { ...quote, akPublic: toHex(tpm.akPublic()) } }, 'unjudged', 'tpm.binding skipped'],
      // What came with the quote counts once its verifier gives it too.
      [{ 'quote.json': { ...quote, akPublic: toHex(tpm.akPublic()) }, 'ak.pub': tpm.akPublic() }, 'unendorsed'],
      [
        { 'quote.json': { ...quote, akPublic: toHex(tpm.akPublic()) }, 'ak.pub': new SoftwareTpm().akPublic() },
        'refused',
        'tpm.binding skipped',
        'file.used BindingMismatch',
      ],
      [{ 'quote.json': { ...quote, akPublic: toHex(tpm.akPublic()) }, 'ak.pem': pemOf(tpm) }, 'unendorsed'],
      [{ 'quote.json': quote }, 'unjudged', 'tpm.key skipped', 'tpm.signature skipped'],
      [
        { 'quote.json': quote, 'ak.pub': tpm.akPublic(), 'ak2.pub': new SoftwareTpm().akPublic() },
        'refused',
        'file.used BindingMismatch',
      ],
      [{ 'quote.json': quote, 'ak.pub': new SoftwareTpm().akPublic() }, 'refused', 'tpm.signature TpmSignatureInvalid'],
      [
        { 'quote.json': { ...quote, nonce: toHex(utf8('other')) }, 'ak.pub': tpm.akPublic() },
        'refused',
        'tpm.nonce NonceMismatch',
      ],
      [{ 'q.msg': message, 'q.sig': tpm.sign(message), 'ak.pub': tpm.akPublic() }, 'unendorsed'],
      [{ 'q.msg': message, 'ak.pub': tpm.akPublic() }, 'unjudged', 'tpm.signature skipped'],
      [
        { 'q.json': { ...quote, message: quote.message.slice(0, -2) }, 'ak.pub': tpm.akPublic() },
        'refused',
        'tpm.signature TpmSignatureInvalid',
        'tpm.format Truncated',
        'tpm.registers skipped',
      ],
    ] as [Files, ...string[]][]) {
      expect([Object.keys(files), await verdict(files)]).toEqual([Object.keys(files), wanted])
    }
  })
})

describe('a key that nothing endorses', () => {
  const tpm = new SoftwareTpm()
  const { pcrs } = measuredLog([[0, 8, utf8('firmware')]])
  const message = quoteMessage(pcrs)
  const object = new SoftwareTpm().akPublic(0x40072)
  const made = creationMessage(Uint8Array.of(0, 0x0b, ...createHash('sha256').update(object.subarray(2)).digest()))
  const statements: Record<string, Uint8Array | string>[] = [
    { 'q.msg': message, 'q.sig': tpm.sign(message) },
    { 'c.msg': made, 'c.sig': tpm.sign(made), 'o.json': JSON.stringify({ object: toHex(object) }) },
  ]
  const keys: Record<string, Uint8Array | string>[] = [{ 'ak.pub': tpm.akPublic() }, { 'ak.pem': pemOf(tpm) }]
  const each = statements.flatMap((statement) => keys.map((key) => ({ ...statement, ...key })))
  const pinned = { name: 'ours', spkiSha256: createHash('sha256').update(spkiOf(tpm)).digest('hex') }

  it('shows who holds it, and no TPM (attack E25)', async () => {
    for (const files of each) {
      const { exit, reason, text } = await verifyFiles(files, { anchors, at: now })
      expect([Object.keys(files), exit, reason]).toEqual([Object.keys(files), 7, 'unendorsed'])
      expect(text).toContain('Key not endorsed')
      expect(text).toContain('whoever holds this key signed this')
      expect(text).not.toMatch(/Accepted|A TPM showed|The TPM made/)
    }
  })

  it('is accepted where the policy names it, and not where it names another (attack E25)', async () => {
    for (const files of each) {
      expect(await verifyFiles(files, { anchors, at: now, policy: { keys: [pinned] } })).toMatchObject({ exit: 0 })
      const other = { ...pinned, spkiSha256: '00'.repeat(32) }
      expect(await verifyFiles(files, { anchors, at: now, policy: { keys: [other] } })).toMatchObject({ exit: 7 })
    }
  })
})

describe('a quote of a TPM in files of its parts', () => {
  it('is held to a policy’s challenge and registers as one in one file is', async () => {
    const tpm = new SoftwareTpm()
    const { pcrs } = measuredLog([[0, 8, utf8('firmware')]])
    const message = quoteMessage(pcrs, { nonce: utf8('challenge') })
    const files = { 'q.msg': message, 'q.sig': tpm.sign(message), 'ak.pub': tpm.akPublic() }
    expect(await verdict(files, { tpm: { nonce: utf8('challenge') } })).toEqual(['unendorsed'])
    expect(await verdict(files, { tpm: { nonce: utf8('other') } })).toEqual(['refused', 'tpm.nonce NonceMismatch'])
    // Without registers it is unknown what the digest covers.
    expect(await verdict(files, { tpm: { pcrs } })).toEqual(['unjudged', 'tpm.expected skipped'])
  })
})

describe('a TPM’s statement of an object that it made', () => {
  const tpm = new SoftwareTpm()
  /** Signs anything: not an attestation key. */
  const object = new SoftwareTpm().akPublic(0x40072)
  const name = Uint8Array.of(0, 0x0b, ...createHash('sha256').update(object.subarray(2)).digest())
  const message = creationMessage(name)
  const statement = { message: toHex(message), signature: toHex(tpm.sign(message)) }

  it('holds with the object, by a key in a file of its own, which nothing endorses', async () => {
    for (const [files, ...wanted] of [
      [{ 'c.json': { ...statement, object: toHex(object) }, 'ak.pub': tpm.akPublic() }, 'unendorsed'],
      [{ 'c.json': { ...statement, object: toHex(object) } }, 'unjudged', 'tpm.key skipped', 'tpm.signature skipped'],
      [{ 'c.json': statement, 'ak.pub': tpm.akPublic() }, 'unjudged', 'tpm.created skipped'],
      [
        { 'c.json': { ...statement, object: toHex(new SoftwareTpm().akPublic(0x40072)) }, 'ak.pub': tpm.akPublic() },
        'unjudged',
        'tpm.created skipped',
      ],
      [
        { 'c.json': { ...statement, object: toHex(object) }, 'ak.pub': new SoftwareTpm().akPublic() },
        'refused',
        'tpm.signature TpmSignatureInvalid',
      ],
      [
        { 'c.msg': message, 'c.sig': tpm.sign(message), 'o.json': { object: toHex(object) }, 'ak.pub': tpm.akPublic() },
        'unendorsed',
      ],
    ] as [Files, ...string[]][]) {
      expect([Object.keys(files), await verdict(files)]).toEqual([Object.keys(files), wanted])
    }
    const found = await judged({ 'c.json': { ...statement, object: toHex(object) }, 'ak.pub': tpm.akPublic() })
    expect(found.check.children.map(({ shows }) => shows.split(':')[0])).toEqual(['c.json'])
    expect(found.unasked).toEqual([])
  })

  it('answers no challenge and shows no register', async () => {
    const files = { 'c.json': { ...statement, object: toHex(object) }, 'ak.pub': tpm.akPublic() }
    expect((await verdict(files, { tpm: { pcrs: new Map([[0, new Uint8Array(32)]]) } }))[0]).toBe('unjudged')
    expect(
      (
        await verdict(
          {
            'c.msg': message,
            'c.sig': tpm.sign(message),
            'ak.pub': tpm.akPublic(),
            'o.json': { object: toHex(object) },
          },
          { tpm: { nonce: utf8('other') } },
        )
      )[0],
    ).toBe('unjudged')
  })
})
