import { createHash, randomBytes } from 'node:crypto'
import type { BootFacts, FreshQuote } from '@strongroom/contract'
import { volumeSeparator } from '@strongroom/evidence/expected'
import { describe, expect, it } from 'vitest'
import { quoteMessage, SoftwareTpm, type TestClock } from '../../packages/evidence/src/testing/software-tpm.ts'
import { bootQuote } from '../../packages/trust/src/links/measured-boot-link.ts'
import { runningGuestLink } from '../../packages/trust/src/links/running-guest-link.ts'
import { vouch } from '../../packages/trust/src/provenance/known.ts'
import { judge, type Link } from '../../packages/trust/src/provenance/link.ts'

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
const sha256 = (...parts: (string | Uint8Array)[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const keyOf = (fill: number): string =>
  `ssh-ed25519 ${Buffer.concat([Buffer.from('\0\0\0\u000bssh-ed25519\0\0\0 '), Buffer.alloc(32, fill)]).toString('base64')}`
const hostKey = keyOf(7)
const measured = `strongroom-ssh-host-key:1:${hostKey}`
const nonce = new Uint8Array(randomBytes(32))
/** As the guest's agent has it. */
const challenge = (over: Uint8Array = nonce, key = hostKey): Buffer => sha256('strongroom-fresh-quote:1', over, key)

/** What was measured into PCR 15, with its log. */
function measuring(texts: string[]): { register: Buffer; log: string } {
  let register: Buffer = Buffer.alloc(32)
  const records = texts.map((text) => {
    register = sha256(register, sha256(text))
    const digests = [{ hashAlg: 'sha256', digest: sha256(text).toString('hex') }]
    return `\u001e${JSON.stringify({ pcr: 15, digests, content: { string: text } })}\n`
  })
  return { register, log: base64url(Buffer.from(records.join(''))) }
}

const tpm = new SoftwareTpm()
const booted = [volumeSeparator, measured]
const registersOf = (texts: string[]): Map<number, Uint8Array> =>
  new Map(
    Array.from({ length: 16 }, (_, index) => [
      index,
      index === 15 ? measuring(texts).register : Buffer.alloc(32, index),
    ]),
  )

interface Quoted extends TestClock {
  by?: SoftwareTpm
  over?: Uint8Array
  texts?: string[]
  /** Changes registers before they are quoted. */
  change?: (pcrs: Map<number, Uint8Array>) => void
}

function quoteOf({ by = tpm, over = challenge(), texts = booted, change = () => {}, ...clock }: Quoted): FreshQuote {
  const pcrs = registersOf(texts)
  change(pcrs)
  const message = quoteMessage(pcrs, { nonce: over, ...clock })
  return {
    quoteMessage: base64url(message),
    quoteSignature: base64url(by.sign(message)),
    pcrs: Object.fromEntries([...pcrs].map(([index, value]) => [index, Buffer.from(value).toString('hex')])),
    userspaceLog: measuring(texts).log,
  }
}

/** The guest answers a minute after its boot report. */
const after = { clock: 61_000n }

async function link(answer: FreshQuote, report: TestClock & Pick<Quoted, 'texts'> = {}, key = hostKey): Promise<Link> {
  const boot = quoteOf({ over: Buffer.from('the boot’s nonce'), clock: 1000n, ...report })
  const evidence = {
    measuredBoot: { ...boot, nonce: base64url(Buffer.from('the boot’s nonce')) },
  } as unknown as BootFacts
  const ak = vouch(tpm.akPublic(), 'silicon')
  const quote = await bootQuote(evidence, ak)
  const seen = { ak, quote, hostKey: vouch(key, 'silicon', 'vTPM'), launch: undefined }
  return await judge('running-guest', '', async (proof) => {
    await runningGuestLink(evidence, seen, { nonce, answer, proof })
  })
}

const refused = (code: string, more: object = {}): object => ({ outcome: 'refused', code, ...more })

describe('the guest that runs now', () => {
  it('is the one of the boot report where its TPM signs the challenge', async () => {
    expect(await link(quoteOf(after))).toMatchObject({
      outcome: 'verified',
      shows: [
        expect.stringMatching(/^its TPM signed this verifier’s challenge [0-9a-f]{16}… .* 60 s after the boot report/),
        'neither reset nor restarted since (2, 3); registers as reported',
      ],
    })
  })

  it('may have measured more since, which is shown', async () => {
    const { outcome, shows } = await link(quoteOf({ ...after, texts: [...booted, 'machine-id:0'] }))
    expect([outcome, shows[1]]).toEqual(['verified', expect.stringContaining('in PCR 15 since: “machine-id:0” ')])
  })

  it('may have no SSH host key, if it measured that', async () => {
    const texts = [volumeSeparator, 'strongroom-ssh-host-key:1:none']
    const answer = quoteOf({ ...after, texts, over: challenge(nonce, 'none') })
    expect((await link(answer, { texts }, 'none')).outcome).toBe('verified')
  })

  it('is refused with the answer to another challenge, or with the boot report itself (attack H27)', async () => {
    expect(await link(quoteOf({ ...after, over: challenge(randomBytes(32)) }))).toMatchObject(refused('AnswerNotFresh'))
    expect(await link(quoteOf({ ...after, over: Buffer.from('the boot’s nonce') }))).toMatchObject(
      refused('AnswerNotFresh'),
    )
    // The nonce as it is: what the guest signs for a boot report is nothing that it signs here.
    expect(await link(quoteOf({ ...after, over: nonce }))).toMatchObject(refused('AnswerNotFresh'))
  })

  it('is refused with another SSH host key than the measured one (attack H27)', async () => {
    expect(await link(quoteOf({ ...after, over: challenge(nonce, keyOf(8)) }))).toMatchObject(refused('AnswerNotFresh'))
  })

  it('is refused with the AK of another TPM (attack H27)', async () => {
    expect(await link(quoteOf({ ...after, by: new SoftwareTpm() }))).toMatchObject(refused('TpmSignatureInvalid'))
  })

  it.each([
    ['reset', { resets: 3, restarts: 0 }],
    ['restarted', { restarts: 4 }],
    ['reset before, as an earlier life was', { resets: 1 }],
  ])('is refused where its TPM was %s (attack H27)', async (_what, clock) => {
    expect(await link(quoteOf({ ...after, ...clock }))).toMatchObject(
      refused('GuestWasReset', { expected: '2 resets, 3 restarts' }),
    )
  })

  it.each([
    ['is behind the report’s', { clock: 999n }],
    ['became unsafe', { clock: 61_000n, safe: false }],
  ])('is refused where its TPM’s clock %s (attack H27)', async (_what, clock) => {
    expect(await link(quoteOf(clock))).toMatchObject(refused('ClockWentBack'))
  })

  it('is not refused where the clock was unsafe at the report already, after a power loss', async () => {
    expect((await link(quoteOf({ ...after, safe: false }), { safe: false })).outcome).toBe('verified')
    expect((await link(quoteOf(after), { safe: false })).outcome).toBe('verified')
  })

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14])('is refused with another PCR %i (attack H27)', async (index) => {
    const moved = quoteOf({ ...after, change: (pcrs) => void pcrs.set(index, Buffer.alloc(32, 0xee)) })
    expect(await link(moved)).toMatchObject(refused('RegisterMoved', { actual: 'ee'.repeat(32) }))
    const left = quoteOf({ ...after, change: (pcrs) => void pcrs.delete(index) })
    expect(await link(left)).toMatchObject(refused('RegisterMoved', { actual: 'not quoted' }))
  })

  it('is refused with another volume or host key in PCR 15, and without PCR 15 (attack H27)', async () => {
    const other = [volumeSeparator, `strongroom-ssh-host-key:1:${keyOf(8)}`]
    expect(await link(quoteOf({ ...after, texts: other }))).toMatchObject(refused('RegisterMoved'))
    expect(await link(quoteOf({ ...after, texts: ['strongroom-volume', ...booted] }))).toMatchObject(
      refused('RegisterMoved'),
    )
    expect((await link(quoteOf({ ...after, change: (pcrs) => void pcrs.delete(15) }))).outcome).toBe('refused')
  })

  it('is refused where the log does not lead to PCR 15, and with a second host key (attack H27)', async () => {
    const silent = quoteOf({ ...after, texts: [...booted, 'x'] })
    expect(await link({ ...silent, userspaceLog: measuring(booted).log })).toMatchObject(refused('EventLogMismatch'))
    const second = [...booted, `strongroom-ssh-host-key:1:${keyOf(8)}`]
    expect(await link(quoteOf({ ...after, texts: second }))).toMatchObject(refused('HostKeyMismatch'))
  })

  it('is refused where registers are shown that the TPM did not sign (attack H27)', async () => {
    const honest = quoteOf(after)
    const pcrs = { ...honest.pcrs, 8: 'ee'.repeat(32) }
    expect(await link({ ...honest, pcrs })).toMatchObject(refused('PcrDigestMismatch'))
  })

  it.each([undefined, null, 'text', {}, { quoteMessage: 1 }, { ...quoteOf(after), pcrs: undefined }])(
    'is refused with an answer that is none: %j',
    async (answer) => {
      expect(await link(answer as unknown as FreshQuote)).toMatchObject(refused('AnswerMalformed'))
    },
  )
})
