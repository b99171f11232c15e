import { toHex, type VerifiedSnp } from '@strongroom/evidence'
import { dataClaims } from './compliance.ts'
import type { BoundData } from '../core/request.ts'

/** Claims of an SNP report, flat and under Azure's names (facts section 5.4). Bytes are lower-case hexadecimal. */
export function snpClaims(
  { report, reportedTcb, product }: VerifiedSnp,
  data: { runtime: BoundData | undefined; initTime: BoundData | undefined },
): Record<string, unknown> {
  return {
    ...dataClaims(data.runtime, data.initTime),
    'x-ms-sevsnpvm-authorkeydigest': toHex(report.authorKeyDigest),
    'x-ms-sevsnpvm-bootloader-svn': reportedTcb.bootLoader,
    'x-ms-sevsnpvm-familyId': toHex(report.familyId),
    'x-ms-sevsnpvm-guestsvn': report.guestSvn,
    'x-ms-sevsnpvm-hostdata': toHex(report.hostData),
    'x-ms-sevsnpvm-idkeydigest': toHex(report.idKeyDigest),
    'x-ms-sevsnpvm-imageId': toHex(report.imageId),
    'x-ms-sevsnpvm-is-debuggable': report.policy.debugAllowed,
    'x-ms-sevsnpvm-launchmeasurement': toHex(report.measurement),
    'x-ms-sevsnpvm-microcode-svn': reportedTcb.microcode,
    'x-ms-sevsnpvm-migration-allowed': report.policy.migrationAgentAllowed,
    'x-ms-sevsnpvm-reportdata': toHex(report.reportData),
    'x-ms-sevsnpvm-reportid': toHex(report.reportId),
    'x-ms-sevsnpvm-smt-allowed': report.policy.smtAllowed,
    'x-ms-sevsnpvm-snpfw-svn': reportedTcb.snp,
    'x-ms-sevsnpvm-tee-svn': reportedTcb.tee,
    'x-ms-sevsnpvm-vmpl': report.vmpl,
    // Our addition to Azure's claims: a policy can exclude a product known to be compromised.
    'x-strongroom-product': product,
  }
}
