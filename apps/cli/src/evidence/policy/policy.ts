import { type BootPolicy, type Jwk, tokenAlgorithms, type TrustAnchor, type TrustAnchors } from '@strongroom/evidence'
import { type CcaPolicy, type EvidencePolicy } from '@strongroom/evidence/files'
import {
  bytes,
  flag,
  hexadecimal,
  list,
  number,
  object,
  oneOf,
  type Reader,
  refuse,
  scalars,
  text,
  upToBytes,
  whole,
} from './fields.ts'
import { readSnp } from './snp.ts'
import { readTdx } from './tdx.ts'

const name = text(/^.{1,256}$/, 'a text')
const anchors = list(whole<TrustAnchor>({ name, spkiSha256: hexadecimal(32) }, 'name', 'spkiSha256'))
/** Public keys, as in a key set; the verifier decides whether one is usable. */
const keys = list<Jwk>((value, path) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Jwk)
    : refuse(path, 'a public key as JWK', value),
)
/** A register or digest of any accepted bank. */
const digest = bytes(32, 48, 64)

/** Members with names of one kind. */
function named<T>(pattern: RegExp, what: string, item: Reader<T>): Reader<Record<string, T>> {
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(path, 'an object', value)
    return Object.fromEntries(
      Object.entries(value).map(([member, each]) => {
        if (!pattern.test(member)) refuse(`${path}.${member}`, what, member)
        return [member, item(each, `${path}.${member}`)]
      }),
    )
  }
}

const registers = named(/^(1?\d|2[0-3])$/, 'the number of a register, 0 to 23', digest)

const readBoot = object<BootPolicy>({
  secureBoot: flag,
  applications: list(digest),
  unifiedKernel: named(/^\.[a-z]{2,16}$/, 'the name of a section, for example .cmdline', digest),
})

const readRules = object<EvidencePolicy>({
  snp: readSnp,
  tdx: readTdx,
  cca: object<CcaPolicy>({
    initialMeasurements: list(digest),
    extensibleMeasurements: object<Record<number, Uint8Array>>({ 0: digest, 1: digest, 2: digest, 3: digest }),
    personalization: bytes(64),
    implementationIds: list(bytes(32)),
    instanceIds: list(bytes(33)),
  }),
  hcl: object<NonNullable<EvidencePolicy['hcl']>>({ userData: bytes(64), configuration: scalars }),
  boot: readBoot,
  keys: anchors,
  tpm: object<NonNullable<EvidencePolicy['tpm']>>({
    nonce: upToBytes(64),
    roots: anchors,
    pcrs: (value, path) => new Map(Object.entries(registers(value, path)).map(([pcr, each]) => [Number(pcr), each])),
  }),
  token: object<NonNullable<EvidencePolicy['token']>>({
    kind: oneOf(['attestation', 'policy']),
    issuer: text(/^(https:\/\/\S{1,256}|[\w.-]{1,256})$/, 'an issuer, https://… or a name'),
    audience: name,
    keys: anchors,
    roots: anchors,
    algorithms: list(oneOf(tokenAlgorithms)),
    claims: scalars,
    maximumAge: number(366 * 24 * 3600),
  }),
  release: whole<NonNullable<EvidencePolicy['release']>>(
    { roots: anchors, signer: name, usage: text(/^\d+(\.\d+){1,20}$/, 'an object identifier, for example 1.2.3') },
    'roots',
    'signer',
  ),
})

/**
 * Parses a policy file. Bytes are hexadecimal. Unknown members are refused, and so are values of the wrong kind, length
 * or range, each with its path.
 * @throws CliError InvalidPolicy
 */
export function readPolicy(value: unknown): EvidencePolicy {
  return readRules(value, 'policy')
}

/** Parses a file of trust anchors, as an installation writes it (`anchors.json` in its state). @throws CliError InvalidPolicy */
export function readAnchors(value: unknown): TrustAnchors {
  return whole<TrustAnchors>(
    { simulated: flag, amd: anchors, intel: anchors, aws: anchors, images: keys },
    'simulated',
    'amd',
    'intel',
  )(value, 'anchors')
}
