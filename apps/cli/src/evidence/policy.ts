import {
  baseline,
  type EvidencePolicy,
  type SnpPolicy,
  type TdxPolicy,
  type TokenAlgorithm,
  tokenAlgorithms,
  type TrustAnchor,
  type TrustAnchors,
} from '@strongroom/evidence'
import { CliError } from '../core/cli-error.ts'
import { cannotBeJudged } from './exit.ts'

type Members = Record<string, unknown>

/**
 * Reads a policy file. Bytes are hexadecimal. A member that is not known is refused: a misspelt rule must not be a rule that
 * is not applied.
 * @throws CliError InvalidPolicy
 */
export function readPolicy(value: unknown): EvidencePolicy {
  const whole = membersOf(value, 'policy', ['snp', 'tdx', 'hcl', 'tpm', 'token', 'release'])
  return {
    ...(whole['snp'] === undefined ? {} : { snp: readSnp(whole['snp']) }),
    ...(whole['tdx'] === undefined ? {} : { tdx: readTdx(whole['tdx']) }),
    ...(whole['hcl'] === undefined ? {} : { hcl: readHcl(whole['hcl']) }),
    ...(whole['tpm'] === undefined ? {} : { tpm: readTpm(whole['tpm']) }),
    ...(whole['token'] === undefined ? {} : { token: readToken(whole['token']) }),
    ...(whole['release'] === undefined ? {} : { release: readRelease(whole['release']) }),
  }
}

const snpMembers = [
  'measurements',
  'reportData',
  'hostData',
  'familyId',
  'imageId',
  'idKeyDigests',
  'authorKeyDigests',
  'vmpls',
  'products',
  'chipIds',
  'minimumGuestSvn',
  'minimumTcb',
  'minimumFirmware',
  'allow',
  'require',
]
const tcbMembers = ['fmc', 'bootLoader', 'tee', 'snp', 'microcode']

/** What the file does not say of measurements, report data, levels and weakenings is as without a file. */
function readSnp(value: unknown): SnpPolicy {
  const m = membersOf(value, 'snp', snpMembers)
  const policy: Members = { ...m }
  for (const name of ['hostData', 'familyId', 'imageId'])
    if (m[name] !== undefined) policy[name] = bytesOf(m[name], `snp.${name}`)
  for (const name of ['idKeyDigests', 'authorKeyDigests', 'chipIds'])
    if (m[name] !== undefined) policy[name] = bytesList(m[name], `snp.${name}`)
  policy['measurements'] =
    m['measurements'] === undefined || m['measurements'] === 'any'
      ? 'any'
      : bytesList(m['measurements'], 'snp.measurements')
  policy['reportData'] =
    m['reportData'] === undefined || m['reportData'] === 'any' ? 'any' : bytesOf(m['reportData'], 'snp.reportData')
  if (m['vmpls'] !== undefined)
    policy['vmpls'] = listOf(m['vmpls'], 'snp.vmpls').map((level) => numberOf(level, 'snp.vmpls'))
  if (m['products'] !== undefined)
    policy['products'] = listOf(m['products'], 'snp.products').map((name) => textOf(name, 'snp.products'))
  if (m['minimumGuestSvn'] !== undefined) numberOf(m['minimumGuestSvn'], 'snp.minimumGuestSvn')
  if (m['minimumTcb'] !== undefined) numbersOf(m['minimumTcb'], 'snp.minimumTcb', tcbMembers)
  if (m['minimumFirmware'] !== undefined)
    numbersOf(m['minimumFirmware'], 'snp.minimumFirmware', ['major', 'minor', 'build'])
  if (m['allow'] !== undefined)
    flagsOf(m['allow'], 'snp.allow', ['debug', 'migrationAgent', 'cxl', 'vlek', 'provisionalFirmware'])
  if (m['require'] !== undefined)
    flagsOf(m['require'], 'snp.require', [
      'smtOff',
      'singleSocket',
      'ecc',
      'tsme',
      'raplOff',
      'ciphertextHiding',
      'aliasCheck',
    ])
  return { ...baseline.snp, ...policy } as unknown as SnpPolicy
}

const tdxFlags = [
  'debugAllowed',
  'migratableAllowed',
  'septVeDisableRequired',
  'pksAllowed',
  'keyLockerAllowed',
  'perfmonAllowed',
  'noServiceTd',
]
const tdxMembers = [
  ...tdxFlags,
  'tcbStatuses',
  'acceptedAdvisoryIds',
  'minimumTcbEvaluationDataNumber',
  'xfamAllowed',
  'mrTds',
  'mrSeams',
  'mrConfigId',
  'mrOwner',
  'mrOwnerConfig',
  'rtmrs',
  'reportData',
  'minimumTeeTcbSvn',
]

function readTdx(value: unknown): TdxPolicy {
  const m = membersOf(value, 'tdx', tdxMembers)
  const policy: Members = { ...m }
  for (const name of tdxFlags) if (m[name] !== undefined) flagOf(m[name], `tdx.${name}`)
  for (const name of ['mrTds', 'mrSeams'])
    if (m[name] !== undefined) for (const each of listOf(m[name], `tdx.${name}`)) bytesOf(each, `tdx.${name}`)
  for (const name of ['mrConfigId', 'mrOwner', 'mrOwnerConfig'])
    if (m[name] !== undefined) bytesOf(m[name], `tdx.${name}`)
  for (const name of ['tcbStatuses', 'acceptedAdvisoryIds'])
    if (m[name] !== undefined) for (const each of listOf(m[name], `tdx.${name}`)) textOf(each, `tdx.${name}`)
  for (const name of ['reportData', 'minimumTeeTcbSvn'])
    if (m[name] !== undefined) policy[name] = bytesOf(m[name], `tdx.${name}`)
  if (m['minimumTcbEvaluationDataNumber'] !== undefined)
    numberOf(m['minimumTcbEvaluationDataNumber'], 'tdx.minimumTcbEvaluationDataNumber')
  if (m['xfamAllowed'] !== undefined)
    policy['xfamAllowed'] = BigInt(`0x${Buffer.from(bytesOf(m['xfamAllowed'], 'tdx.xfamAllowed')).toString('hex')}`)
  if (m['rtmrs'] !== undefined)
    for (const each of Object.values(membersOf(m['rtmrs'], 'tdx.rtmrs', ['0', '1', '2', '3'])))
      bytesOf(each, 'tdx.rtmrs')
  return policy as unknown as TdxPolicy
}

function readHcl(value: unknown): NonNullable<EvidencePolicy['hcl']> {
  const m = membersOf(value, 'hcl', ['userData', 'configuration'])
  return {
    ...(m['userData'] === undefined ? {} : { userData: bytesOf(m['userData'], 'hcl.userData') }),
    ...(m['configuration'] === undefined ? {} : { configuration: scalarsOf(m['configuration'], 'hcl.configuration') }),
  }
}

function readTpm(value: unknown): NonNullable<EvidencePolicy['tpm']> {
  const m = membersOf(value, 'tpm', ['nonce', 'pcrs', 'roots'])
  const registers = Array.from({ length: 24 }, (_, index) => String(index))
  const pcrs = m['pcrs'] === undefined ? undefined : Object.entries(membersOf(m['pcrs'], 'tpm.pcrs', registers))
  return {
    ...(m['nonce'] === undefined ? {} : { nonce: bytesOf(m['nonce'], 'tpm.nonce') }),
    ...(m['roots'] === undefined ? {} : { roots: anchorsOf(m['roots'], 'tpm.roots') }),
    ...(pcrs === undefined
      ? {}
      : { pcrs: new Map(pcrs.map(([index, each]) => [Number(index), bytesOf(each, `tpm.pcrs.${index}`)])) }),
  }
}

function readToken(value: unknown): NonNullable<EvidencePolicy['token']> {
  const m = membersOf(value, 'token', ['issuer', 'audience', 'algorithms', 'claims'])
  const algorithms = m['algorithms'] === undefined ? undefined : listOf(m['algorithms'], 'token.algorithms')
  return {
    ...(m['issuer'] === undefined ? {} : { issuer: textOf(m['issuer'], 'token.issuer') }),
    ...(m['audience'] === undefined ? {} : { audience: textOf(m['audience'], 'token.audience') }),
    ...(algorithms === undefined
      ? {}
      : {
          algorithms: algorithms.map(
            (name): TokenAlgorithm =>
              tokenAlgorithms.find((known) => known === name) ??
              refuse('token.algorithms', tokenAlgorithms.join(', '), name),
          ),
        }),
    ...(m['claims'] === undefined ? {} : { claims: scalarsOf(m['claims'], 'token.claims') }),
  }
}

function readRelease(value: unknown): NonNullable<EvidencePolicy['release']> {
  const m = membersOf(value, 'release', ['roots', 'signer', 'usage'])
  return {
    roots: anchorsOf(m['roots'], 'release.roots'),
    signer: textOf(m['signer'], 'release.signer'),
    ...(m['usage'] === undefined ? {} : { usage: textOf(m['usage'], 'release.usage') }),
  }
}

/** Reads a file of trust anchors, as an installation writes it (`anchors.json` in its state). @throws CliError InvalidPolicy */
export function readAnchors(value: unknown): TrustAnchors {
  const m = membersOf(value, 'anchors', ['simulated', 'amd', 'intel'])
  return {
    simulated: flagOf(m['simulated'], 'anchors.simulated'),
    amd: anchorsOf(m['amd'], 'anchors.amd'),
    intel: anchorsOf(m['intel'], 'anchors.intel'),
  }
}

function anchorsOf(value: unknown, path: string): TrustAnchor[] {
  return listOf(value, path).map((each) => {
    const m = membersOf(each, path, ['name', 'spkiSha256'])
    if (bytesOf(m['spkiSha256'], `${path}.spkiSha256`).length !== 32)
      refuse(`${path}.spkiSha256`, '32 bytes', m['spkiSha256'])
    return { name: textOf(m['name'], `${path}.name`), spkiSha256: textOf(m['spkiSha256'], path).toLowerCase() }
  })
}

function membersOf(value: unknown, path: string, known: readonly string[]): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(path, 'an object', value)
  const unknown = Object.keys(value).find((name) => !known.includes(name))
  if (unknown !== undefined) refuse(`${path}.${unknown}`, `one of ${known.join(', ')}`, unknown)
  return value as Members
}

function listOf(value: unknown, path: string): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : refuse(path, 'a list', value)
}

function textOf(value: unknown, path: string): string {
  return typeof value === 'string' ? value : refuse(path, 'a text', value)
}

function numberOf(value: unknown, path: string): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
    ? value
    : refuse(path, 'a whole number', value)
}

function flagOf(value: unknown, path: string): boolean {
  return typeof value === 'boolean' ? value : refuse(path, 'true or false', value)
}

function numbersOf(value: unknown, path: string, known: readonly string[]): void {
  for (const [name, each] of Object.entries(membersOf(value, path, known))) numberOf(each, `${path}.${name}`)
}

function flagsOf(value: unknown, path: string, known: readonly string[]): void {
  for (const [name, each] of Object.entries(membersOf(value, path, known))) flagOf(each, `${path}.${name}`)
}

function scalarsOf(value: unknown, path: string): Record<string, string | number | boolean> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(path, 'an object', value)
  for (const [name, each] of Object.entries(value)) {
    if (!['string', 'number', 'boolean'].includes(typeof each))
      refuse(`${path}.${name}`, 'a text, a number, true or false', each)
  }
  return value as Record<string, string | number | boolean>
}

function bytesOf(value: unknown, path: string): Uint8Array {
  const text = typeof value === 'string' ? value.toLowerCase() : ''
  return /^([0-9a-f]{2})*$/.test(text) && typeof value === 'string'
    ? new Uint8Array(Buffer.from(text, 'hex'))
    : refuse(path, 'bytes in hexadecimal', value)
}

function bytesList(value: unknown, path: string): Uint8Array[] {
  return listOf(value, path).map((each) => bytesOf(each, path))
}

function refuse(path: string, expected: string, found: unknown): never {
  throw new CliError({
    code: 'InvalidPolicy',
    message: `The policy's ${path} is not as it should be.`,
    exitCode: cannotBeJudged,
    expected,
    found: JSON.stringify(found)?.slice(0, 200) ?? 'nothing',
    remedy: 'See packages/evidence/README.md for the form of a policy.',
  })
}
