import type { BootFacts } from '@strongroom/contract'
import { equal, EvidenceError, fromBase64Url, toHex } from '@strongroom/evidence'
import {
  applySecureBootUpdate,
  measureVariables,
  parseSignatureLists,
  secureBootVariableNames,
  variableDigest,
  variablesOfState,
  variableVendor,
  type ImageMeasurements,
  type MeasuredVariables,
  type SecureBootState,
  type SecureBootUpdate,
} from '@strongroom/evidence/expected'
import { vouch, type Known } from './known.ts'
import { LinkRefused, refuseUnless, short, type Proof } from './link.ts'

type Facts = NonNullable<BootFacts['secureBoot']>

/**
 * Secure Boot variables of the boot: those of the image's measurements after each update, which is verified here as
 * firmware verifies it. So nobody's word counts for one: neither the host's nor the paravisor's.
 * @param trusted how many updates the last boot had that was trusted: there are never fewer
 */
export async function verifiedVariables(
  facts: Facts | undefined,
  o: { image: Known<ImageMeasurements>; trusted: Known<number>; proof: Proof },
): Promise<{ measured: Known<MeasuredVariables>; updates: Known<number> }> {
  const { on } = o.image.value.variables
  const trusted = o.trusted.value
  const updates = facts?.updates ?? []
  refuseUnless(updates.length >= trusted, {
    code: 'SecureBootRolledBack',
    message: 'Updates of the Secure Boot variables were undone: a boot that you trusted had more of them.',
    expected: `${trusted} updates or more`,
    actual: `${updates.length} updates`,
  })
  const known = <T>(value: T): Known<T> => vouch(value, o.image, o.trusted)
  if (facts === undefined || updates.length === 0) return { measured: known(on), updates: known(0) }
  let state = await baseOf(facts, on)
  const base = state
  const shows: string[] = []
  for (const update of updates) {
    const before = state
    const applied = await apply(state, update)
    state = applied.state
    const { variable, by, at } = update
    const count = (of: SecureBootState): number => parseSignatureLists(of[variable].data).length
    const whose = applied.signer === undefined ? 'appended by the VM’s firmware' : `signed by ${applied.signer}`
    shows.push(
      `Secure Boot: ${variable} was ${applied.append ? 'appended to' : 'replaced'}, ${count(before)} → ` +
        `${count(state)} entries, ${whose}`,
    )
    o.proof.informs(`that update came from ${by === 'guest' ? 'inside the VM' : 'its owner'} on ${at}`)
  }
  for (const name of secureBootVariableNames) {
    const [before, after] = [base[name], state[name]]
    if (equal(before.data, after.data)) continue
    const digest = async (data: Uint8Array): Promise<string> =>
      short(toHex(await variableDigest({ name, vendor: variableVendor(name), data })))
    shows.push(`${name} is measured as ${await digest(after.data)}, and was ${await digest(before.data)} of the image`)
  }
  const { authority } = on
  await requireAuthority(state, authority)
  const { variables } = await measureVariables({ variables: variablesOfState(state), authority: undefined })
  o.proof.shown(known(shows))
  return { measured: known({ variables, authority }), updates: known(updates.length) }
}

/** What the VM was made with is what the image's measurements say. Times of that are not measured: none is believed. */
async function baseOf({ base }: Facts, on: MeasuredVariables): Promise<SecureBootState> {
  const of = (name: (typeof secureBootVariableNames)[number]): SecureBootState['PK'] => ({
    data: fromBase64Url(base[name]),
    timestamp: new Uint8Array(16),
  })
  const state = { PK: of('PK'), KEK: of('KEK'), db: of('db'), dbx: of('dbx') }
  for (const { name, sha256 } of on.variables) {
    const known = secureBootVariableNames.find((each) => each === name)
    const data = known === undefined ? new Uint8Array() : state[known].data
    const found = await variableDigest({ name, vendor: variableVendor(name), data })
    refuseUnless(equal(found, sha256), {
      code: 'AnotherSecureBootVariable',
      message: `The updates of Secure Boot variables begin with another ${name} than the image’s.`,
      expected: toHex(sha256),
      actual: toHex(found),
    })
  }
  return state
}

async function apply(
  state: SecureBootState,
  { variable, signed, appended }: Facts['updates'][number],
): ReturnType<typeof applySecureBootUpdate> {
  let update: SecureBootUpdate
  if (signed !== undefined) update = { variable, signed: fromBase64Url(signed) }
  else if (variable === 'dbx' && appended !== undefined) update = { variable, appended: fromBase64Url(appended) }
  else
    throw new LinkRefused({
      code: 'SecureBootUpdateNotSigned',
      message: `An update of ${variable} is not signed.`,
      expected: 'a signed update; without a signature dbx is appended to and nothing else changes',
      actual: variable,
    })
  try {
    return await applySecureBootUpdate(state, update)
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    throw new LinkRefused({
      code: 'SecureBootUpdateRefused',
      message: `An update of the Secure Boot variables does not hold: ${error.message}.`,
      expected: error.expected ?? 'an update that the firmware takes',
      actual: error.found ?? 'another',
    })
  }
}

/** The entry of db that accepted the image's boot file still stands there. */
async function requireAuthority({ db }: SecureBootState, authority: Uint8Array | undefined): Promise<void> {
  if (authority === undefined) return
  for (const { raw: data } of parseSignatureLists(db.data)) {
    const found = await variableDigest({ name: 'db', vendor: variableVendor('db'), data })
    if (equal(found, authority)) return
  }
  throw new LinkRefused({
    code: 'AnotherPublisher',
    message: 'db no longer holds the key of the image’s publisher.',
    expected: toHex(authority),
    actual: 'another db',
  })
}
