/**
 * STATE/attestation-verifiers.json: attestation providers of other origins whose tokens this installation accepts. Written by the
 * operator, read at the server's start and by the command line; such addresses come from nowhere else.
 *
 * An object by name, each:
 *   issuer      https origin without port: `iss` of its tokens, and where its attest calls are (`{issuer}/attest/…`)
 *   keys        https address of its key set; default: `{issuer}/certs`
 *   connect     host:port at which the issuer's host is reached, if its name does not lead there
 *   authority   absolute path of a PEM file: the authorities of its TLS certificate; default: the system's
 *   collateral  true: requests carry the silicon's revocation lists and collateral, for a verifier that cannot fetch them
 */
export const verifiersFile = 'attestation-verifiers.json'

export interface VerifierSettings {
  name: string
  issuer: string
  /** Full address of the key set. */
  keys: string
  connect?: { host: string; port: number }
  authority?: string
  collateral: boolean
}

/** An invalid value in the file. */
export class VerifiersInvalid extends Error {
  readonly expected: string
  readonly found: string

  constructor(o: { place: string; expected: string; found: unknown }) {
    const found = typeof o.found === 'string' ? o.found : (JSON.stringify(o.found) ?? 'nothing')
    super(`${o.place}: expected ${o.expected}, found ${found.slice(0, 200)}`)
    this.name = 'VerifiersInvalid'
    this.expected = `${o.place}: ${o.expected}`
    this.found = found.slice(0, 200)
  }
}

const limit = 32
const members = ['issuer', 'keys', 'connect', 'authority', 'collateral'] as const
const nameForm = /^[a-z0-9][a-z0-9-]{0,61}$/
/** An issuer's form in release policies and tokens. */
const issuerForm = /^https:\/\/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/

/** @throws VerifiersInvalid for an invalid file: an unreadable one must not count as empty */
export function parseVerifiers(text: string): VerifierSettings[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new VerifiersInvalid({ place: verifiersFile, expected: 'JSON', found: text })
  }
  if (!isObject(value))
    throw new VerifiersInvalid({ place: verifiersFile, expected: 'an object by name', found: value })
  const entries = Object.entries(value)
  if (entries.length > limit)
    throw new VerifiersInvalid({ place: verifiersFile, expected: `at most ${limit} names`, found: entries.length })
  const verifiers = entries.map(([name, settings]) => readSettings(name, settings))
  for (const { name, issuer } of verifiers) {
    const first = verifiers.find((each) => each.issuer === issuer)!
    // Each issuer must have exactly one source of keys.
    if (first.name !== name)
      throw new VerifiersInvalid({ place: `${name}.issuer`, expected: `another than ${first.name}'s`, found: issuer })
  }
  return verifiers
}

function readSettings(name: string, value: unknown): VerifierSettings {
  const refuse = (member: string, expected: string, found: unknown): never => {
    throw new VerifiersInvalid({ place: member === '' ? name : `${name}.${member}`, expected, found })
  }
  if (!nameForm.test(name)) refuse('', 'a name of lower-case letters, digits and hyphens', name)
  if (!isObject(value)) return refuse('', 'an object', value)
  const unknown = Object.keys(value).find((member) => !(members as readonly string[]).includes(member))
  if (unknown !== undefined) refuse(unknown, members.join(', '), unknown)
  const { issuer, keys, connect, authority, collateral = false } = value
  if (typeof issuer !== 'string' || !issuerForm.test(issuer))
    return refuse('issuer', 'https://{host} in lower case, without port and path', issuer)
  if (keys !== undefined && !isAddress(keys)) refuse('keys', 'an https address without user, query or fragment', keys)
  if (authority !== undefined && (typeof authority !== 'string' || !authority.startsWith('/')))
    refuse('authority', 'the absolute path of a PEM file', authority)
  if (typeof collateral !== 'boolean') return refuse('collateral', 'true or false', collateral)
  const reached = connect === undefined ? undefined : readConnect(connect)
  if (connect !== undefined && reached === undefined) refuse('connect', 'host:port', connect)
  return {
    name,
    issuer,
    keys: (keys as string | undefined) ?? `${issuer}/certs`,
    ...(reached !== undefined && { connect: reached }),
    ...(authority !== undefined && { authority: authority as string }),
    collateral,
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && /^https:\/\/[a-z0-9.-]+(:[0-9]{1,5})?\/[A-Za-z0-9._~/-]{0,200}$/.test(value)
}

function readConnect(value: unknown): { host: string; port: number } | undefined {
  const match = typeof value === 'string' ? /^([a-z0-9.-]{1,253}|\[[0-9a-f:]{2,39}\]):([0-9]{1,5})$/.exec(value) : null
  const port = Number(match?.[2])
  return match === null || port < 1 || port > 65_535 ? undefined : { host: match[1]!.replaceAll(/[[\]]/g, ''), port }
}
