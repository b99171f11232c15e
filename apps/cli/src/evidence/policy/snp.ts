import { type SnpPolicy, snpProducts, type TcbBounds, type TcbVersion } from '@strongroom/evidence'
import { baseline } from '@strongroom/evidence/files'
import { bits, bytes, flag, list, number, object, oneOf, orAny, type Reader, text, whole } from './fields.ts'

const part = number(255)
const tcbParts = object<Partial<TcbVersion>>({ fmc: part, bootLoader: part, tee: part, snp: part, microcode: part })
const bounds = object<TcbBounds>({ minimum: tcbParts, maximum: tcbParts })
const firmware = whole<{ major: number; minor: number; build: number }>(
  { major: part, minor: part, build: part },
  'major',
  'minor',
  'build',
)
const digest = bytes(48)

const members = object<Partial<SnpPolicy>>({
  measurements: orAny(list(digest)),
  reportData: orAny(bytes(64)),
  hostData: bytes(32),
  familyId: bytes(16),
  imageId: bytes(16),
  idKeyDigests: list(digest),
  authorKeyDigests: list(digest),
  reportIds: list(bytes(32)),
  reportIdsMa: list(bytes(32)),
  vmpls: list(number(3)),
  products: list(oneOf(snpProducts)),
  steppings: list(number(255)),
  chipIds: list(bytes(64)),
  deniedChipIds: list(bytes(64)),
  providerIds: list(text(/^[\w.-]{1,64}$/, 'the name of a provider')),
  guestPolicies: list(bits),
  minimumAbi: whole<{ major: number; minor: number }>({ major: part, minor: part }, 'major', 'minor'),
  minimumGuestSvn: number(0xffffffff),
  tcb: object<NonNullable<SnpPolicy['tcb']>>({ reported: bounds, launch: bounds, committed: bounds, current: bounds }),
  minimumFirmware: firmware,
  minimumCommittedFirmware: firmware,
  mitigations: object<NonNullable<SnpPolicy['mitigations']>>({ launch: bits, current: bits }),
  allow: object<NonNullable<SnpPolicy['allow']>>({
    debug: flag,
    migrationAgent: flag,
    cxl: flag,
    vlek: flag,
    provisionalFirmware: flag,
  }),
  require: object<NonNullable<SnpPolicy['require']>>({
    revocation: flag,
    smtOff: flag,
    ecc: flag,
    tsme: flag,
    raplOff: flag,
    ciphertextHiding: flag,
    aliasCheck: flag,
    singleSocket: flag,
    smtForbidden: flag,
    aes256Xts: flag,
    raplForbidden: flag,
    ciphertextHidingForced: flag,
    pageSwapForbidden: flag,
  }),
})

/** Omitted rules are as without a file; `allow` is taken as written. */
export const readSnp: Reader<SnpPolicy> = (value, path) => ({ ...baseline.snp, ...members(value, path) })
