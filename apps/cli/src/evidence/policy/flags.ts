import { createHash, createPublicKey, type JsonWebKey } from 'node:crypto'
import {
  EvidenceError,
  fromBase64,
  fromHex,
  type Jwk,
  parseCertificate,
  parseJwks,
  parsePem,
  toHex,
} from '@strongroom/evidence'
import { detect } from '@strongroom/evidence/files'
import { parseSnpIdBlock, snpKeyDigest, snpOwnerKey } from '@strongroom/evidence/expected'
import { CliError } from '../../core/cli-error.ts'
import { textOption, type CommandContext } from '../../core/command.ts'
import { cannotBeJudged } from '../exit.ts'
import { readBytes } from '../files.ts'

/** A member of the policy, for example `snp.reportData`, and its value as a policy file has it. */
type Member = [path: string, value: unknown]

interface PolicyFlag {
  name: string
  flags: string
  summary: string
  expected: string
  /** Members that the option's text or file sets; undefined if it is not of this form. */
  members(given: Uint8Array): Member[] | undefined | Promise<Member[] | undefined>
}

const form = '<hex|base64|@file>'

const policyFlags: readonly PolicyFlag[] = [
  {
    name: 'nonce',
    flags: '--nonce <hex>',
    summary: 'challenge (nonce) that TPM quotes must contain',
    expected: '1 to 64 bytes in hexadecimal',
    members: (given) => {
      const text = textOf(given)
      return text === undefined ? undefined : [['tpm.nonce', text]]
    },
  },
  {
    name: 'reportData',
    flags: `--report-data ${form}`,
    summary: 'report data that the hardware report must contain (snp.reportData, tdx.reportData)',
    expected: '64 bytes',
    members: (given) => {
      const data = bytesOf(given, 64)
      return data && ['snp.reportData', 'tdx.reportData'].map((path) => [path, toHex(data)])
    },
  },
  {
    name: 'measurement',
    flags: `--measurement ${form}`,
    summary: 'launch measurement that is required (snp.measurements, tdx.mrTds, cca.initialMeasurements)',
    expected: '48 bytes; for a CCA realm also 32 or 64',
    members: (given) => {
      const measurement = bytesOf(given, 48) ?? bytesOf(given, 32) ?? bytesOf(given, 64)
      const paths = measurement?.length === 48 ? ['snp.measurements', 'tdx.mrTds'] : []
      return measurement && [...paths, 'cca.initialMeasurements'].map((path) => [path, [toHex(measurement)]])
    },
  },
  {
    name: 'hostData',
    flags: `--host-data ${form}`,
    summary: 'host data that an SNP report must contain (snp.hostData)',
    expected: '32 bytes',
    members: (given) => {
      const data = bytesOf(given, 32)
      return data && [['snp.hostData', toHex(data)]]
    },
  },
  {
    name: 'idBlock',
    flags: `--id-block ${form}`,
    summary:
      'ID block of the guest’s owner: its launch digest, ids and policy are required, and its guest SVN at least',
    expected: 'an ID block, 96 bytes',
    members: (given) => {
      const block = bytesOf(given, 96)
      return block && idBlockMembers(block)
    },
  },
  keyFlag('idKey', '--id-key', 'key that must have signed the ID block (snp.idKeyDigests)', 'snp.idKeyDigests'),
  keyFlag('authorKey', '--author-key', 'key that must have signed the ID key', 'snp.authorKeyDigests'),
  {
    name: 'stepping',
    flags: '--stepping <number>',
    summary: 'stepping of the processor that an SNP report must name (snp.steppings)',
    expected: 'a number from 0 to 255',
    members: (given) => {
      const text = textOf(given) ?? ''
      return /^\d{1,3}$/.test(text) ? [['snp.steppings', [Number(text)]]] : undefined
    },
  },
  {
    name: 'issuerKey',
    flags: '--issuer-key <hex|@file>',
    summary:
      'key that must have signed a token (token.keys): PEM, JWK or a key set, which is then used too, ' +
      'or the SHA-256 of its SubjectPublicKeyInfo',
    expected: 'a public key as PEM, a JWK or a key set, or 32 bytes in hexadecimal',
    members: (given) => {
      const digests = textOf(given)?.match(/^[0-9a-fA-F]{64}$/) ?? digestsOf(spkisOf(given))
      const pins = digests.map((digest) => ({ name: '--issuer-key', spkiSha256: digest.toLowerCase() }))
      return pins.length === 0 ? undefined : [['token.keys', pins]]
    },
  },
]

/** None if a key is none. */
const digestsOf = (spkis: readonly Uint8Array[]): string[] =>
  spkis.some(({ length }) => length === 0) ? [] : spkis.map((spki) => sha256(spki))

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Public keys of a PEM text, a JWK or a key set, in DER. @throws EvidenceError */
function spkisOf(given: Uint8Array): Uint8Array[] {
  return detect('--issuer-key', given).flatMap((piece) => {
    if (piece.kind === 'public-key') return [piece.spki]
    if (piece.kind !== 'jwks') return []
    return parseJwks(piece.value).map(spkiOf)
  })
}

/** Of a key that is a certificate alone, as Azure Attestation's are, the certificate's; empty for no key. @throws EvidenceError */
function spkiOf(key: Jwk): Uint8Array {
  const [first] = Array.isArray(key['x5c']) ? (key['x5c'] as unknown[]) : []
  if (key['n'] === undefined && key['x'] === undefined && typeof first === 'string')
    return parseCertificate(fromBase64(first)).publicKey.spki
  try {
    const read = createPublicKey({ key: key as JsonWebKey, format: 'jwk' })
    return new Uint8Array(read.export({ type: 'spki', format: 'der' }))
  } catch {
    return new Uint8Array()
  }
}

function keyFlag(name: string, flag: string, summary: string, path: string): PolicyFlag {
  return {
    name,
    flags: `${flag} <hex|@file>`,
    summary: `${summary}, as PEM or as the SHA-384 that the report has`,
    expected: 'a public key on P-384 as PEM, or 48 bytes in hexadecimal',
    members: async (given) => {
      const text = textOf(given)
      if (text?.includes('-----BEGIN ') !== true) {
        const digest = bytesOf(given, 48)
        return digest && [[path, [toHex(digest)]]]
      }
      const [spki, ...more] = parsePem(text, 'PUBLIC KEY')
      if (spki === undefined || more.length > 0) return undefined
      return [[path, [toHex(await snpKeyDigest(snpOwnerKey(spki)))]]]
    },
  }
}

function idBlockMembers(bytes: Uint8Array): Member[] {
  const { launchDigest, familyId, imageId, guestSvn, policy } = parseSnpIdBlock(bytes)
  return [
    ['snp.measurements', [toHex(launchDigest)]],
    ['snp.familyId', toHex(familyId)],
    ['snp.imageId', toHex(imageId)],
    ['snp.minimumGuestSvn', guestSvn],
    ['snp.guestPolicies', [`0x${policy.toString(16)}`]],
  ]
}

/** Options of `evidence verify` that become members of the policy. */
export const policyOptions = policyFlags.map(({ flags, summary }) => ({ flags, summary }))

/**
 * The policy of a file with the members that options add: one policy, read in one place.
 * @throws CliError InvalidArgument, also if file and option, or two options, require different values
 */
export async function withFlags(policy: unknown, context: CommandContext): Promise<unknown> {
  const added: [flag: PolicyFlag, member: Member][] = []
  for (const flag of policyFlags) {
    const text = textOption(context, flag.name)
    if (text === undefined) continue
    for (const member of await membersOf(flag, text)) added.push([flag, member])
  }
  if (added.length === 0 || typeof policy !== 'object' || policy === null || Array.isArray(policy)) return policy
  const merged = structuredClone(policy) as Record<string, unknown>
  for (const [flag, [path, value]] of added) set(merged, flag, path, value)
  return merged
}

async function membersOf(flag: PolicyFlag, text: string): Promise<Member[]> {
  const given = text.startsWith('@') ? await readBytes(text.slice(1)) : new TextEncoder().encode(text)
  let members: Member[] | undefined
  try {
    members = await flag.members(given)
  } catch (cause) {
    if (!(cause instanceof EvidenceError)) throw cause
    throw invalid(flag, cause.message, cause)
  }
  if (members !== undefined) return members
  throw invalid(flag, text.startsWith('@') ? `${given.length} bytes` : text.slice(0, 200))
}

function set(policy: Record<string, unknown>, flag: PolicyFlag, path: string, value: unknown): void {
  const [part, member] = path.split('.') as [string, string]
  const group = (policy[part] ??= {})
  // What is not an object is refused when the policy is read.
  if (typeof group !== 'object' || group === null) return
  const members = group as Record<string, unknown>
  const before = Object.hasOwn(members, member) && members[member] !== 'any' ? members[member] : undefined
  if (before !== undefined && sameText(before) !== sameText(value)) {
    throw new CliError({
      code: 'InvalidArgument',
      message: `${flag.flags.split(' ')[0]} requires another ${path} than the policy or another option.`,
      exitCode: cannotBeJudged,
      expected: JSON.stringify(before).slice(0, 200),
      found: JSON.stringify(value).slice(0, 200),
      remedy: 'Give the value once.',
    })
  }
  members[member] = value
}

const sameText = (value: unknown): string => JSON.stringify(value).toLowerCase()

function invalid(flag: PolicyFlag, found: string, cause?: unknown): CliError {
  return new CliError({
    code: 'InvalidArgument',
    message: `${flag.flags.split(' ')[0]} is malformed.`,
    exitCode: cannotBeJudged,
    expected: flag.expected,
    found,
    remedy: flag.flags.includes('@file') ? 'Give the value, or @ and the name of a file that holds it.' : 'Correct it.',
    cause,
  })
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).trim()
  } catch {
    return undefined
  }
}

/** Bytes of this length: as they are, in hexadecimal or in base64. */
function bytesOf(given: Uint8Array, length: number): Uint8Array | undefined {
  if (given.length === length) return given
  const text = textOf(given)?.replace(/^0x/, '').replaceAll(/\s/g, '')
  if (text === undefined) return undefined
  try {
    const bytes = /^[0-9a-fA-F]*$/.test(text) ? fromHex(text.toLowerCase()) : fromBase64(text)
    return bytes.length === length ? bytes : undefined
  } catch (error) {
    if (error instanceof EvidenceError) return undefined
    throw error
  }
}
