import {
  secureBootVariableNames,
  type SecureBootState,
  type SecureBootUpdate,
  type SecureBootVariable,
} from '@strongroom/evidence/expected'
import type { BootFacts } from '@strongroom/contract'
import { toBase64Url } from '@strongroom/evidence'
import { corrupt } from '../vmgs/corrupt.ts'

/** An update of a Secure Boot variable that counts, whence it came, and when it was judged. */
export type RecordedUpdate = SecureBootUpdate & { by: 'guest' | 'owner'; at: string }

/**
 * The Secure Boot variables that a VM's boots are to have: those it was made with, and every update since. Lies in the guest state, and
 * so under its generation. How many updates there were only rises.
 */
export interface VariableRecord {
  /** What PCR 7 of the disk's key was predicted from when the VM was made. */
  base: SecureBootState
  /** EFI_SIGNATURE_DATA of the db entry by which firmware accepts the VM's boot file. */
  authority: Uint8Array
  updates: RecordedUpdate[]
  /** `base` after all updates. */
  now: SecureBootState
}

interface Stored {
  version: 1
  base: StoredState
  authority: string
  updates: { variable: SecureBootVariable; signed?: string; appended?: string; by: RecordedUpdate['by']; at: string }[]
  now: StoredState
}
type StoredState = Record<SecureBootVariable, { data: string; timestamp: string }>

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'))

const stored = (state: SecureBootState): StoredState => {
  const of = (name: SecureBootVariable): StoredState['PK'] => ({
    data: base64(state[name].data),
    timestamp: base64(state[name].timestamp),
  })
  return { PK: of('PK'), KEK: of('KEK'), db: of('db'), dbx: of('dbx') }
}

const stateOf = (state: StoredState): SecureBootState => {
  const of = (name: SecureBootVariable): SecureBootState['PK'] => ({
    data: bytesOf(state[name].data),
    timestamp: bytesOf(state[name].timestamp),
  })
  return { PK: of('PK'), KEK: of('KEK'), db: of('db'), dbx: of('dbx') }
}

export function encodeVariableRecord({ base, authority, updates, now }: VariableRecord): Buffer {
  const content: Stored = {
    version: 1,
    base: stored(base),
    authority: base64(authority),
    updates: updates.map((each) => ({
      variable: each.variable,
      ...('signed' in each ? { signed: base64(each.signed) } : { appended: base64(each.appended) }),
      by: each.by,
      at: each.at,
    })),
    now: stored(now),
  }
  return Buffer.from(JSON.stringify(content))
}

/** @throws ServiceError GuestStateCorrupt */
export function decodeVariableRecord(bytes: Uint8Array): VariableRecord {
  const content = JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<Stored>
  const { version, base, authority, updates, now } = content
  const whole = (state: StoredState | undefined): boolean =>
    secureBootVariableNames.every((name) => typeof state?.[name]?.data === 'string')
  if (version !== 1 || authority === undefined || base === undefined || now === undefined || updates === undefined)
    throw malformed()
  if (!whole(base) || !whole(now)) throw malformed()
  return { base: stateOf(base), authority: bytesOf(authority), updates: updates.map(updateOf), now: stateOf(now) }
}

function updateOf({ variable, signed, appended, by, at }: Stored['updates'][number]): RecordedUpdate {
  if (signed !== undefined) return { variable, signed: bytesOf(signed), by, at }
  if (appended === undefined || variable !== 'dbx') throw malformed()
  return { variable, appended: bytesOf(appended), by, at }
}

const malformed = (): Error => corrupt('its record of Secure Boot variables is malformed')

/** What evidence shows of it, for a verifier who goes through the updates by itself; nothing where there was none. */
export function variableFacts({ base, updates }: VariableRecord): Pick<BootFacts, 'secureBoot'> {
  if (updates.length === 0) return {}
  const of = (name: SecureBootVariable): string => toBase64Url(base[name].data)
  return {
    secureBoot: {
      base: { PK: of('PK'), KEK: of('KEK'), db: of('db'), dbx: of('dbx') },
      updates: updates.map(({ variable, by, at, ...each }) => ({
        variable,
        ...('signed' in each ? { signed: toBase64Url(each.signed) } : { appended: toBase64Url(each.appended) }),
        by,
        at,
      })),
    },
  }
}
