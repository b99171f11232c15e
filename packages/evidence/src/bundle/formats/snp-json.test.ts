import { describe, expect, it } from 'vitest'
import { parseSnpReport } from '../../snp/report.ts'
import { encodeSnpReport } from './snp-json.ts'

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

describe('a report as members of JSON', () => {
  const bytes = (length: number, value: number): number[] => Array.from({ length }, () => value)
  const tcb = { bootloader: 1, tee: 2, snp: 3, microcode: 4 }
  const members = {
    version: 3,
    guest_svn: 5,
    policy: 196639,
    family_id: bytes(16, 1),
    image_id: bytes(16, 2),
    vmpl: 1,
    sig_algo: 1,
    current_tcb: tcb,
    plat_info: 37,
    key_info: 4,
    report_data: bytes(64, 3),
    measurement: bytes(48, 4),
    host_data: bytes(32, 5),
    id_key_digest: bytes(48, 6),
    author_key_digest: bytes(48, 7),
    report_id: bytes(32, 8),
    report_id_ma: bytes(32, 9),
    reported_tcb: {
      ...tcb,
      snp: 5,
    },
    cpuid_fam_id: 25,
    cpuid_mod_id: 1,
    cpuid_step: 2,
    chip_id: bytes(64, 10),
    committed_tcb: {
      ...tcb,
      snp: 6,
    },
    current: {
      build: 1,
      minor: 2,
      major: 3,
    },
    committed: {
      build: 4,
      minor: 5,
      major: 6,
    },
    launch_tcb: {
      ...tcb,
      snp: 7,
    },
    signature: {
      r: [...bytes(48, 11), ...bytes(24, 0)],
      s: [...bytes(48, 12), ...bytes(24, 0)],
    },
  }
  const encode = (changes: Record<string, unknown> = {}): Uint8Array | undefined =>
    encodeSnpReport({ ...members, ...changes })

  it('is the bytes that AMD signed', () => {
    const raw = (snp: number): bigint => (4n << 56n) | (BigInt(snp) << 48n) | (2n << 8n) | 1n
    expect(parseSnpReport(encode()!)).toMatchObject({
      version: 3,
      guestSvn: 5,
      vmpl: 1,
      signingKey: 'VLEK',
      policy: { raw: 196639n },
      platformInfo: { raw: 37n },
      familyId: filled(16, 1),
      imageId: filled(16, 2),
      reportData: filled(64, 3),
      measurement: filled(48, 4),
      hostData: filled(32, 5),
      idKeyDigest: filled(48, 6),
      authorKeyDigest: filled(48, 7),
      reportId: filled(32, 8),
      reportIdMa: filled(32, 9),
      chipId: filled(64, 10),
      cpu: {
        family: 25,
        model: 1,
        stepping: 2,
      },
      currentTcb: raw(3),
      reportedTcb: raw(5),
      committedTcb: raw(6),
      launchTcb: raw(7),
      currentVersion: {
        build: 1,
        minor: 2,
        major: 3,
      },
      committedVersion: {
        build: 4,
        minor: 5,
        major: 6,
      },
      signatureR: filled(48, 11),
      signatureS: filled(48, 12),
    })
    const fifth = parseSnpReport(encode({ version: 5, launch_mit_vector: 6, current_mit_vector: 7 })!)
    expect([fifth.launchMitigations, fifth.currentMitigations]).toEqual([6n, 7n])
    const turin = { ...tcb, fmc: 9 }
    const cpu = { cpuid_fam_id: 0x1a, cpuid_mod_id: 2, cpuid_step: 0 }
    const newer = parseSnpReport(
      encode({ ...cpu, current_tcb: turin, reported_tcb: turin, committed_tcb: turin, launch_tcb: turin })!,
    )
    expect(newer.reportedTcb).toBe((4n << 56n) | (3n << 24n) | (2n << 16n) | (1n << 8n) | 9n)
    const highest = { version: 2 ** 32 - 1, chip_id: bytes(64, 255), policy: Number.MAX_SAFE_INTEGER }
    expect(encode(highest)!.subarray(0, 16)).toEqual(
      Uint8Array.of(255, 255, 255, 255, 5, 0, 0, 0, 255, 255, 255, 255, 255, 255, 31, 0),
    )
    expect(encode(highest)!.subarray(0x1a0, 0x1e0)).toEqual(filled(64, 255))
    const unnamed = { version: 2, cpuid_fam_id: undefined, cpuid_mod_id: null, cpuid_step: undefined }
    expect(parseSnpReport(encode(unnamed)!)).toMatchObject({ version: 2, reportedTcb: raw(5) })
  })

  it.each<[what: string, changes: Record<string, unknown>]>([
    ['no SVN', { guest_svn: undefined }],
    ['no measurement', { measurement: 'x' }],
    ['no reported versions', { reported_tcb: undefined }],
    ['a list too short', { report_data: bytes(63, 3) }],
    ['a byte above 255', { chip_id: bytes(64, 256) }],
    ['half a byte', { chip_id: bytes(64, 1.5) }],
    ['a negative version', { version: -1 }],
    ['a version beyond 32 bits', { version: 2 ** 32 }],
    ['a policy that no number holds', { policy: 2 ** 53 }],
    ['a text for a number', { vmpl: '1' }],
    ['a security version above a byte', { launch_tcb: { ...tcb, snp: 256 } }],
    ['no signature', { signature: undefined }],
    ['half a signature', { signature: { r: bytes(72, 1) } }],
    ['a processor above a byte', { cpuid_fam_id: 256 }],
    ['no firmware', { current: undefined }],
  ])('is none with %s', (_, changes) => {
    expect(encode(changes)).toBeUndefined()
  })
})
