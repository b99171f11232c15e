import { fromHex } from '../core/bytes/hex.ts'
import { tdAttributes } from '../tdx/td-body.ts'
import { earStatuses } from './ear.ts'

type Claims = Readonly<Record<string, unknown>>

/** A claim of a token that makes the guest weaker than a verifier of the evidence itself accepts by default. */
export interface GuestClaim {
  path: string
  about: 'debugging' | 'migration' | 'TCB' | 'policies not met' | 'appraisal'
  value: unknown
  expected: string
  /** Whether it is as the baseline of `bundle/evidence-policy.ts` requires. Anything unknown is not. */
  holds: boolean
}

type Rule = readonly [about: GuestClaim['about'], expected: string, holds: (value: unknown) => boolean]

const isFalse = (value: unknown): boolean => value === false
const debugging: Rule = ['debugging', 'false', isFalse]
const migration: Rule = ['migration', 'false', isFalse]

/** By the name of the claim, wherever the service puts it. */
const rules: ReadonlyMap<string, readonly Rule[]> = new Map<string, readonly Rule[]>([
  // Azure Attestation, claim sets.
  ['x-ms-sevsnpvm-is-debuggable', [debugging]],
  ['x-ms-sevsnpvm-migration-allowed', [migration]],
  ['x-ms-sgx-is-debuggable', [debugging]],
  // Azure Attestation and Intel Trust Authority.
  ['tdx_is_debuggable', [debugging]],
  ['sgx_is_debuggable', [debugging]],
  ['tdx_td_attributes_debug', [debugging]],
  [
    'tdx_td_attributes',
    [
      ['debugging', 'attributes without DEBUG', (value) => lacks(value, tdAttributes.debug)],
      ['migration', 'attributes without MIGRATABLE', (value) => lacks(value, tdAttributes.migratable)],
    ],
  ],
  ['attester_tcb_status', [['TCB', 'UpToDate', (value) => value === 'UpToDate']]],
  [
    'policy_ids_unmatched',
    [['policies not met', 'none', (value) => value === null || (Array.isArray(value) && value.length === 0)]],
  ],
  // RFC 9711, 4.2.9: any state of "disabled".
  ['dbgstat', [['debugging', 'disabled', (value) => typeof value === 'string' && value.startsWith('disabled')]]],
])

/** Members in which services put the claims about the guest: Azure's guest attestation, Intel's composite tokens. */
const groups = ['x-ms-isolation-tee', 'tdx', 'sgx', 'sevsnp']

export function guestClaims(claims: Claims): GuestClaim[] {
  const places: [prefix: string, members: Claims][] = [['', claims]]
  for (const group of groups) {
    const members = Object.hasOwn(claims, group) ? claims[group] : undefined
    if (typeof members === 'object' && members !== null) places.push([`${group}.`, members as Claims])
  }
  const statuses = earStatuses(claims).map((each): GuestClaim => ({
    ...each,
    about: 'appraisal',
    expected: 'affirming',
  }))
  const own = places.flatMap(([prefix, members]) =>
    [...rules].flatMap(([name, own]) =>
      Object.hasOwn(members, name)
        ? own.map(([about, expected, holds]): GuestClaim => {
            const value = members[name]
            return { path: `${prefix}${name}`, about, value, expected, holds: holds(value) }
          })
        : [],
    ),
  )
  return [...statuses, ...own]
}

/** TDATTRIBUTES as hexadecimal, least significant byte first. */
function lacks(value: unknown, bit: bigint): boolean {
  if (typeof value !== 'string' || !/^[0-9a-f]{16}$/i.test(value)) return false
  const attributes = new DataView(fromHex(value).slice().buffer).getBigUint64(0, true)
  return (attributes & bit) === 0n
}
