import { createHmac, timingSafeEqual } from 'node:crypto'
import { secureBootVariableNames, type EfiVariable, type SecureBootVariable } from '@strongroom/evidence/expected'

/** Vendor of the variables by which paravisor and guest speak about Secure Boot (recipes/common/secure-boot). */
export const consentVendor = '5a1e0000-0000-4000-8000-000000000db2'
const [stateName, consentName] = ['StrongroomState', /^StrongroomConsent(\d{1,2})$/] as const
/** EFI_VARIABLE_NON_VOLATILE, _BOOTSERVICE_ACCESS and _RUNTIME_ACCESS. */
const attributes = 7
const mostBytes = 1 << 18

/** A change that the guest made through its firmware, or wants made, and consents to. */
export type ConsentedUpdate =
  | { variable: SecureBootVariable; signed: Uint8Array }
  /** SHA-256, hexadecimal, of what dbx holds in the store: more than before. */
  | { variable: 'dbx'; digest: string }

export interface Consent {
  /** How many updates the state had that it is for. */
  sequence: number
  updates: ConsentedUpdate[]
}

/**
 * What a guest left in its store, in the form in which recipes/common/secure-boot lays it down: a line with the MAC, one
 * with the sequence, one for each update. Any system that ran in the VM may have written it: the MAC says that it had
 * opened the disk.
 * @returns `none` where there is nothing; `foreign` where the MAC is not of this VM's disk key
 */
export function readConsent(variables: readonly EfiVariable[], volumeKey: Uint8Array): Consent | 'none' | 'foreign' {
  const chunks = variables
    .filter(({ name, vendor }) => vendor === consentVendor && consentName.test(name))
    .toSorted((a, b) => numberOf(a) - numberOf(b))
  if (chunks.length === 0) return 'none'
  const text = Buffer.concat(chunks.map(({ data }) => data))
  if (text.length > mostBytes) return 'foreign'
  const [, mac, body] = /^([0-9a-f]{64})\n([\x20-\x7e\n]*)$/.exec(text.toString('latin1')) ?? []
  if (mac === undefined || body === undefined) return 'foreign'
  const expected = createHmac('sha256', volumeKey).update(`strongroom-secure-boot:${body}`).digest()
  if (!timingSafeEqual(expected, Buffer.from(mac, 'hex'))) return 'foreign'
  const [first, ...lines] = body.trimEnd().split('\n')
  const [, sequence] = /^1 (\d{1,6})$/.exec(first ?? '') ?? []
  const updates = lines.map(readUpdate)
  if (sequence === undefined || updates.includes(undefined)) return 'foreign'
  return { sequence: Number(sequence), updates: updates.filter((each) => each !== undefined) }
}

const numberOf = ({ name }: EfiVariable): number => Number(consentName.exec(name)?.[1])

function readUpdate(line: string): ConsentedUpdate | undefined {
  const [kind, name, value = '', ...rest] = line.split(' ')
  const variable = secureBootVariableNames.find((each) => each === name)
  if (variable === undefined || rest.length > 0) return undefined
  if (kind === 'signed') return { variable, signed: Uint8Array.from(Buffer.from(value, 'base64')) }
  if (kind === 'appended' && variable === 'dbx' && /^[0-9a-f]{64}$/.test(value)) return { variable, digest: value }
  return undefined
}

/** What the guest reads of the state that counts: how many updates, and what dbx holds. It decides nothing here. */
export function stateVariable(o: { sequence: number; dbxSha256: string }): EfiVariable {
  const data = Uint8Array.from(Buffer.from(`1 ${o.sequence} ${o.dbxSha256}\n`))
  return { name: stateName, vendor: consentVendor, attributes, timestamp: new Uint8Array(16), data }
}

export const isOurs = ({ vendor }: EfiVariable): boolean => vendor === consentVendor
