import type { AnsweredChallenge, BootFacts, ErrorDetail, FreshQuote } from '@strongroom/contract'
import { concat, EvidenceError, fromBase64Url, toHex, utf8, type QuoteAttest } from '@strongroom/evidence'
import { volumeRegister } from '@strongroom/evidence/expected'
import { sha256 } from '../provenance/bytes.ts'
import { derive, type Known } from '../provenance/known.ts'
import { LinkNotChecked, LinkRefused, refuseUnless, short, type Proof } from '../provenance/link.ts'
import { certifiedLaunch, challenge, measuredSince, quoted, sameRegister, type Registers } from '../provenance/vtpm.ts'
import { latestLaunch, type LaunchOfBoot } from './latest-launch.ts'
import { measuredBootOf, type BootQuote } from './measured-boot-link.ts'

/** The verifier's own random bytes, and the guest's answer to them, or why there is none. */
export type AskedGuest = { nonce: Uint8Array } & ({ answer: AnsweredChallenge } | { unanswered: string })

/**
 * The server's reason, which decides nothing: without an answer the link is not checked, whatever the reason.
 * @example
 * import { whyUnanswered } from '@strongroom/trust'
 *
 * whyUnanswered({ code: 'VmNotReady', message: 'It does not run.' }) // => 'VmNotReady: It does not run.'
 */
export const whyUnanswered = ({ code, message, innererror }: ErrorDetail): string =>
  [`${code}: ${message}`, innererror?.remedy].filter(Boolean).join(' ')

/**
 * How long a verifier waits, in milliseconds. The guest has 2 seconds from its host; the way there and back has the rest. A host
 * could keep the verifier waiting.
 * @example
 * import { guestAnswerMs } from '@strongroom/trust'
 *
 * guestAnswerMs // => 5000
 */
export const guestAnswerMs = 5000

/** Registers that the other links judge and that nothing extends after the report, unless the guest started again. */
const settledRegisters = [0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14] as const

/**
 * What the guest's TPM signs: nobody can have it before the challenge, and only a guest with this SSH host key makes it.
 * The guest's agent has the same text (services/host/src/image/recipes/common/agent).
 * @param o.hostKey as measured: type and key, or 'none'
 * @param o.launch the certified launch, which the quote is over as well: a guest with another one makes another quote
 */
const challengeDigest = async (
  purpose: 'launch:1' | 'fresh-quote:1' | 'fresh-quote:2',
  o: { nonce: Uint8Array; hostKey: string; launch?: Uint8Array },
): Promise<Uint8Array> =>
  await sha256(concat(utf8(`strongroom-${purpose}`), o.nonce, utf8(o.hostKey), o.launch ?? new Uint8Array()))

/**
 * The guest that runs now is the one of the boot report: its TPM signs the verifier's challenge with the same AK, was not
 * reset or restarted since, and its registers are those that the report's links verified. No other launch of the VM answers for it, and
 * none came later.
 * @param seen.launch absent for a VM whose vTPM is made for one boot: its AK names the launch, and no key is released
 */
export async function runningGuestLink(
  evidence: BootFacts,
  seen: {
    ak: Known<Uint8Array>
    quote: BootQuote
    hostKey: Known<string>
    launch: LaunchOfBoot | undefined
  },
  o: { nonce: Uint8Array; answer: AnsweredChallenge; proof: Proof },
): Promise<void> {
  const boot = measuredBootOf(evidence)
  const { answer, proof } = o
  requireAnswer(answer)
  const nonce = challenge(o.nonce)
  const asked = { nonce: o.nonce, hostKey: seen.hostKey.value }
  const launch = answer.launch && fromBase64Url(answer.launch.message)
  const signs =
    launch === undefined
      ? await challengeDigest('fresh-quote:1', asked)
      : await challengeDigest('fresh-quote:2', { ...asked, launch })
  const now = await quoteOf(answer, { ak: seen.ak, nonce: signs })
  const then = seen.quote
  demandSameStart(then.attest, now.attest, proof)
  for (const index of settledRegisters) {
    const [before, found] = [registerText(then.registers.value, index), registerText(now.registers.value, index)]
    proof.demand({
      code: 'RegisterMoved',
      holds: sameRegister(then.registers, now.registers, index),
      message: `PCR ${index} is no longer what the boot report has: something else runs, or the guest’s agent ran again.`,
      expected: before ?? 'no such register',
      actual: found ?? 'not quoted',
    })
  }
  const later = await measuredSince({
    reported: boot.userspaceLog,
    log: answer.userspaceLog,
    before: then.registers,
    now: now.registers,
  })
  const signed = derive([nonce, now.attest], (of) => short(toHex(of)))
  const seconds = derive([then.attest, now.attest], (a, b) => Number((b.clock - a.clock) / 1000n))
  proof.shown(derive([signed, seconds], signedText))
  proof.shown(derive([now.attest, later], sinceText))
  if (seen.launch === undefined) return
  if (answer.launch === undefined)
    throw new LinkNotChecked(
      'The guest did not name its launch, as agents of earlier images: an earlier or a second life of this VM could answer as well. ' +
        'Recreate the VM from a current image.',
    )
  const record = await certifiedLaunch({
    message: fromBase64Url(answer.launch.message),
    signature: fromBase64Url(answer.launch.signature),
    nonce: await challengeDigest('launch:1', asked),
    ak: seen.ak,
  })
  await latestLaunch(seen.launch, { nonce, record, latestLaunch: answer.latestLaunch, proof })
}

const registerText = (registers: Registers, index: number): string | undefined => {
  const value = registers.get(index)
  return value === undefined ? undefined : toHex(value)
}

const signedText = (nonce: string, seconds: number): string[] => [
  `its TPM signed this verifier’s challenge ${nonce} and the measured SSH host key, ${seconds} s after the boot ` +
    'report, by the TPM’s clock',
]

const sinceText = ({ resetCount, restartCount }: QuoteAttest, later: readonly string[]): string[] => [
  `neither reset nor restarted since (${resetCount}, ${restartCount}); registers as reported` +
    (later.length === 0 ? '' : `, and in PCR ${volumeRegister} since: ${later.join(', ')}`),
]

/** It came over the host. */
function requireAnswer(answer: unknown): void {
  const { pcrs, launch, ...texts } = (answer ?? {}) as Partial<Record<keyof FreshQuote, unknown>>
  const { message, signature } = (launch ?? {}) as Partial<Record<string, unknown>>
  const parts = [
    texts.quoteMessage,
    texts.quoteSignature,
    texts.userspaceLog,
    ...(launch === undefined ? [] : [message, signature]),
  ]
  refuseUnless(parts.every((part) => typeof part === 'string') && typeof pcrs === 'object' && pcrs !== null, {
    code: 'AnswerMalformed',
    message: 'What came back to the challenge is not an answer to it.',
    expected: 'a quote, its registers and the log of user space',
    actual: JSON.stringify(answer)?.slice(0, 80) ?? 'nothing',
  })
}

async function quoteOf(answer: FreshQuote, o: { ak: Known<Uint8Array>; nonce: Uint8Array }): Promise<BootQuote> {
  try {
    return await quoted({
      message: fromBase64Url(answer.quoteMessage),
      signature: fromBase64Url(answer.quoteSignature),
      pcrs: answer.pcrs,
      ...o,
    })
  } catch (error) {
    if (!(error instanceof EvidenceError) || (error as { code?: unknown }).code !== 'NonceMismatch') throw error
    throw new LinkRefused({
      code: 'AnswerNotFresh',
      message:
        'The TPM signed something other than this challenge and the measured SSH host key: an earlier answer, or a ' +
        'guest whose host key was changed since it booted.',
      ...(error.expected !== undefined && { expected: error.expected }),
      ...(error.found !== undefined && { actual: error.found }),
      cause: error,
    })
  }
}

/** TPM 2.0 part 1, section 36: the TPM counts its resets and restarts, and its clock runs on between them. */
function demandSameStart(then: Known<QuoteAttest>, now: Known<QuoteAttest>, proof: Proof): void {
  proof.demand({
    code: 'GuestWasReset',
    holds: derive([then, now], (a, b) => a.resetCount === b.resetCount && a.restartCount === b.restartCount),
    message:
      'The guest’s TPM was started again since the boot report: what runs now has not reported, and may be another disk. ' +
      'Do not send it anything, and restart the VM.',
    expected: counts(then.value),
    actual: counts(now.value),
  })
  proof.demand({
    code: 'ClockWentBack',
    // Safe only once the clock has passed what is stored: after a power loss that takes an hour. It does not become unsafe.
    holds: derive([then, now], (a, b) => b.clock >= a.clock && (b.safe || !a.safe)),
    message: 'The clock of the guest’s TPM is behind the boot report’s: its state is an earlier one.',
    expected: `${then.value.clock} ms or later, ${then.value.safe ? 'safe' : 'not safe'}`,
    actual: `${now.value.clock} ms, ${now.value.safe ? 'safe' : 'not safe'}`,
  })
}

const counts = (of: QuoteAttest): string => `${of.resetCount} resets, ${of.restartCount} restarts`
