import type { BootFacts } from '@strongroom/contract'
import { equal, eventTypes, fromBase64Url, toHex, type EventLog } from '@strongroom/evidence'
import {
  bootRegisters,
  firmwareEvents,
  firmwareRegister,
  predictImageRegisters,
  predictPcr0,
  type ImageMeasurements,
} from '@strongroom/evidence/expected'
import type { KnownAsked } from '../provenance/asked.ts'
import { sha256 } from '../provenance/bytes.ts'
import { constant, deriveAsync, type Known } from '../provenance/known.ts'
import { LinkNotChecked, short, type Proof } from '../provenance/link.ts'
import { statedMachine } from '../provenance/stated-machine.ts'
import type { LaunchFirmware } from '../provenance/request.ts'
import { isPredicted, quoted, registerOf, replayedLog } from '../provenance/vtpm.ts'

type MeasuredBoot = NonNullable<BootFacts['measuredBoot']>

export function measuredBootOf({ measuredBoot }: Pick<BootFacts, 'measuredBoot'>): MeasuredBoot {
  if (measuredBoot === undefined) throw new LinkNotChecked('The guest has not reported since this boot.')
  return measuredBoot
}

export type BootQuote = Awaited<ReturnType<typeof quoted>>

/** The quote that the guest reported: signed by the attested key, over registers that nobody judged yet. */
export async function bootQuote(evidence: BootFacts, ak: Known<Uint8Array>): Promise<BootQuote> {
  const boot = measuredBootOf(evidence)
  return await quoted({
    message: fromBase64Url(boot.quoteMessage),
    signature: fromBase64Url(boot.quoteSignature),
    nonce: fromBase64Url(boot.nonce),
    pcrs: boot.pcrs,
    ak,
  })
}

/** Quoted registers → event log → the values that the verifier predicts from the image's measurements. */
export async function measuredBootLink(
  evidence: BootFacts,
  seen: { quote: BootQuote; measurements: Known<ImageMeasurements> },
  o: Pick<KnownAsked, 'secureBoot' | 'size' | 'firmware'> & { proof: Proof },
): Promise<void> {
  const boot = measuredBootOf(evidence)
  const { proof, secureBoot } = o
  const { attest, registers } = seen.quote
  const log = await replayedLog(fromBase64Url(boot.eventLog), registers)
  const machine = await statedMachine(evidence, o.size, proof)
  const inputs = [seen.measurements, secureBoot] as const
  const predicted =
    machine === undefined
      ? await deriveAsync(inputs, predictedOf)
      : await deriveAsync([...inputs, machine] as const, predictedOf)
  const state = secureBoot.map((on) => (on ? 'on' : 'off'))
  for (const index of bootRegisters) {
    const expected = toHex(predicted.value[index])
    const actual = toHex(registerOf(registers.value, index))
    proof.demand({
      code: 'RegisterNotPredicted',
      holds: isPredicted(predicted, registers, index),
      message:
        `PCR ${index} is not what image ${seen.measurements.value.image.id} yields with Secure Boot ` +
        `${state.value}: ${meanings[index]}.${asSaid(evidence, index, actual)}`,
      expected,
      actual,
    })
  }
  const code = await firmwareCode(o.firmware, registers, proof)
  if (evidence.guestRan === false) proof.informs(noGuest)
  const events = log.map((of) => of.events.length)
  proof.proves`quote verified, ${events} events replay to PCRs 0-7 and 11`
  proof.informs(`the quote’s nonce ${short(toHex(fromBase64Url(boot.nonce)))} was chosen by the host at this boot`)
  proof.proves`as predicted here from the image’s measurements, with Secure Boot ${state}: ${predicted.map(registersText)}`
  if (code === undefined) proof.informs(notComputed)
  else proof.proves`as computed here from your copy of the firmware: PCR ${constant(firmwareRegister)} ${code}`
  proof.proves`the vTPM’s firmware version, as it reports: ${attest.map(({ firmwareVersion }) => versionOf(firmwareVersion))}`
  if (typeof evidence.vtpm.program === 'string')
    proof.informs(`the vTPM’s program: ${printable(evidence.vtpm.program)}`)
  if (evidence.guestRan !== false)
    proof.proves`the UEFI firmware’s version, as it reports (PCR 0): ${await deriveAsync([log], firmwareOf)}`
}

const notComputed = 'the firmware that ran (PCR 0): there is no copy of it here to compute the register from'

/**
 * The firmware that ran is the one that the verifier has: what it measures about itself follows from its bytes.
 * @returns undefined if the verifier has none; the launch measurement is then what was pinned
 */
async function firmwareCode(
  firmware: KnownAsked['firmware'],
  registers: BootQuote['registers'],
  proof: Proof,
): Promise<Known<string> | undefined> {
  if (!('own' in firmware)) return undefined
  const predicted = await deriveAsync([firmware.own], predictedCode)
  const code = predicted.map((of) => toHex(of[firmwareRegister]))
  proof.demand({
    code: 'RegisterNotPredicted',
    holds: isPredicted(predicted, registers, firmwareRegister),
    message: `PCR ${firmwareRegister} is not what your copy of the firmware yields: other firmware ran than was measured at the launch.`,
    expected: code.value,
    actual: toHex(registerOf(registers.value, firmwareRegister)),
  })
  return code.map(short)
}

const predictedCode = async ({ bytes }: LaunchFirmware): Promise<{ 0: Uint8Array }> => ({
  0: await predictPcr0(await firmwareEvents(bytes)),
})

type Predicted = Awaited<ReturnType<typeof predictImageRegisters>>

const predictedOf = async (
  measurements: ImageMeasurements,
  secureBoot: boolean,
  machine?: Uint8Array,
): Promise<Predicted> => await predictImageRegisters({ ...measurements, secureBoot, machine })

const registersText = (predicted: Predicted): string =>
  bootRegisters.map((index) => `PCR ${index} ${short(toHex(predicted[index]))}`).join(', ')

/** As tpm2_getcap prints it: two words of TPM2_PT_FIRMWARE_VERSION. */
const versionOf = (version: bigint): string => {
  const hex = version.toString(16).padStart(16, '0')
  return `${hex.slice(0, 8)}.${hex.slice(8)}`
}

/** EV_S_CRTM_VERSION (TCG PC Client Platform Firmware Profile 1.06, section 10.4.1): in PCR 0, UTF-16. */
async function firmwareOf({ events }: EventLog): Promise<string> {
  const event = events.find(({ pcr, type }) => pcr === 0 && type === eventTypes.EV_S_CRTM_VERSION)
  const digest = event?.digests.get('sha256')
  // A log's text next to a digest counts only if the digest is of that text.
  if (event === undefined || digest === undefined || !equal(digest, await sha256(event.data))) return 'none'
  return printable(new TextDecoder('utf-16le').decode(event.data))
}

const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, '').slice(0, 80)

/** What a difference in a register means. */
const meanings: Record<(typeof bootRegisters)[number], string> = {
  1: 'the VM has other devices or ACPI tables than the machine that the host states',
  2: 'a device supplied a driver',
  3: 'a driver was configured',
  4: 'another boot loader or kernel was started',
  6: 'the platform’s maker or the host added to the boot',
  7: 'Secure Boot was in another state, or trusted other keys',
  11: 'another kernel, initrd or command line ran, or the boot took another path',
  12: 'the host passed a command line or credentials to the boot stub',
  13: 'the host passed extension images to the boot stub',
}

/** The host's own prediction decides nothing; agreement with the quote shows that the host expected this boot. */
const asSaid = (evidence: BootFacts, index: number, actual: string): string =>
  evidence.expected.pcrs[index] === actual ? ' The host predicted exactly that.' : ''

const noGuest = 'no guest ran: the host extended the vTPM with the log it predicted'
