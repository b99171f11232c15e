import { tcbStatuses, type TdxPolicy } from '@strongroom/evidence'
import { bits, bytes, day, flag, hexadecimal, list, number, object, oneOf, type Reader, text } from './fields.ts'

const digest = hexadecimal(48)
const advisories = list(text(/^INTEL-[A-Z]{2,4}-\d{5}$/, 'the id of an advisory, for example INTEL-SA-00615'))

export const readTdx: Reader<TdxPolicy> = object<TdxPolicy>({
  tcbStatuses: list(oneOf(tcbStatuses)),
  acceptedAdvisoryIds: advisories,
  rejectedAdvisoryIds: advisories,
  minimumTcbEvaluationDataNumber: number(1_000_000),
  minimumTcbDate: day,
  debugAllowed: flag,
  migratableAllowed: flag,
  septVeDisableRequired: flag,
  pksAllowed: flag,
  keyLockerAllowed: flag,
  perfmonAllowed: flag,
  xfamAllowed: bits,
  mrTds: list(digest),
  mrSeams: list(digest),
  mrConfigId: digest,
  mrOwner: digest,
  mrOwnerConfig: digest,
  rtmrs: object<Record<number, string>>({ 0: digest, 1: digest, 2: digest, 3: digest }),
  reportData: bytes(64),
  minimumTeeTcbSvn: bytes(16),
  minimumTeeTcbSvn2: bytes(16),
  fmspcs: list(hexadecimal(6)),
  platformInstanceIds: list(hexadecimal(16)),
  deniedPpids: list(hexadecimal(16)),
  require: object<NonNullable<TdxPolicy['require']>>({ smtOff: flag, staticPlatform: flag, noCachedKeys: flag }),
  noServiceTd: flag,
  mrServiceTds: list(digest),
})
