import type { Tee } from '../elements/names.ts'

/** Bytes as base64url without padding. */
export type Base64Url = string
/** Bytes as lower-case hexadecimal. */
export type Hex = string

/** One update of a Secure Boot variable, as the VM's paravisor took it. */
export interface VariableUpdateFacts {
  variable: 'PK' | 'KEK' | 'db' | 'dbx'
  /** EFI_VARIABLE_AUTHENTICATION_2 and the data behind it, of an update whose signature the paravisor verified. */
  signed?: Base64Url
  /** Of dbx alone: signature lists that the guest's firmware appended. */
  appended?: Base64Url
  by: 'guest' | 'owner'
  at: string
}

/** Evidence of every boot of a confidential VM. */
export interface BootFacts {
  version: 1
  vmId: string
  bootId: string
  startedAt: string
  simulated: boolean
  /** False if no guest ran: the host put the predicted log into the vTPM, and there is no disk (compute simulated). */
  guestRan?: false
  tee: Tee
  silicon: SnpEvidence | TdxEvidence
  /** The exact runtime-claims bytes; report_data[0:32] is their SHA-256, the rest zero. */
  runtimeClaims: Base64Url
  /**
   * The image's measurements, signed by the installation (compact JWS, docs/design/0008-image-measurements.md): a
   * verifier predicts the registers from them. Absent for boots older than such documents.
   */
  measurements?: string
  /**
   * For a boot of a boot-file update: its document (compact JWS, docs/design/0018-kernel-updates.md) and the
   * certificate (DER) of the image's publisher, who signed it. Absent if the image's own boot file started.
   */
  update?: { document: string; certificate: Base64Url }
  /**
   * Secure Boot variables that were updated since the VM was made (docs/design/0019-secure-boot-variables.md): what
   * they held then, which the image's measurements name, and the updates in their order. Absent where there was none.
   */
  secureBoot?: { base: Record<'PK' | 'KEK' | 'db' | 'dbx', Base64Url>; updates: VariableUpdateFacts[] }
  /** What the host states it launched and expects: shown if it differs, but decides nothing. */
  expected: {
    firmwareSha256: Hex
    vCPUs: number
    /**
     * With the processors, the machine that verifiers compute PCR 1 of (predictMachine): any within the size that was
     * asked for is harmless. Absent if no machine runs, and in evidence of earlier versions.
     */
    memoryMiB?: number
    /** Network interfaces, including the primary one. */
    interfaces?: number
    /** QEMU name of the vCPU type, for example EPYC-Milan. */
    vcpuType: string
    /** SNP launch digest (48 bytes) or MRTD (48 bytes), computed by the paravisor from the firmware. */
    launchMeasurement: Hex
    /** SHA-256 bank, predicted before the boot. */
    pcrs: Record<string, Hex>
    /**
     * What PCR 15 begins with: the digest that the initrd measures for the volume that this VM was created with. Absent
     * without encryption, and for VMs older than this pin.
     */
    volume?: Hex
  }
  vtpm: {
    /** TPM2B_PUBLIC of the attestation key. */
    akPublic: Base64Url
    akCertificatePem: string
    akCertificateChainPem: string
    /** Content of NV 0x01400001 without padding. */
    hclReport: Base64Url
    /** The program that emulates the vTPM, with its version, according to the host. Absent in evidence of earlier versions. */
    program?: string
  }
  /** Absent until the guest reported. */
  measuredBoot?: {
    reportedAt: string
    nonce: Base64Url
    /** TPMS_ATTEST and TPMT_SIGNATURE by the AK over the nonce. */
    quoteMessage: Base64Url
    quoteSignature: Base64Url
    pcrs: Record<string, Hex>
    /** binary_bios_measurements. */
    eventLog: Base64Url
    /** /run/log/systemd/tpm2-measure.log: what systemd extended after the firmware's log. Absent from images that do not report it. */
    userspaceLog?: Base64Url
  }
  /**
   * The guest's first-boot settings, as its agent writes them (`/var/lib/strongroom/settled`). Reported by the host:
   * valid only because PCR 14 covers them.
   */
  settled?: Base64Url
  osDisk: {
    encryption: 'LUKS2' | 'none'
    /** Registers that its key is readable under, as the host states; absent if not encrypted, and in earlier evidence. */
    keyPcrs?: number[]
    /** How the initrd mapped the volume, as it measured it into PCR 15. */
    opened?: { cipher: string; keyBits: number; sectorBytes: number; luksUuid: string }
  }
}

/**
 * All evidence of one boot, stored by the host and returned unchanged, so that anyone can verify it again: silicon root
 * → report → claims → transfer key → token → key released → guest state → vTPM → measured boot → disk. Contains no
 * secret: the released key is wrapped to a transfer key that no longer exists.
 */
export interface BootEvidence extends BootFacts {
  attestation: { issuer: string; token: string; jwks: { keys: Record<string, unknown>[] } }
  release: { keyId: string; jws: string; at: string }
  /** The customer's key, released with it on the same token. Absent if the VM has no disk-encryption set. */
  customerRelease?: { diskEncryptionSet: string; keyId: string; jws: string; at: string }
  guestState: {
    format: 'VMGS'
    /** Authenticated counter, never lower than the key service's. */
    generation: number
    /** Always true: a fresh data key at each boot. */
    freshDataKey: boolean
  }
}

/**
 * A boot with NonPersistedTPM: no service of the operator attests it, releases a key for it or stores it. The guest
 * gives its evidence to anyone who asks.
 */
export interface StatelessBootEvidence extends BootFacts {
  stateless: true
  /** When the evidence was collected: certificates and collateral are judged at that time. */
  shownAt: string
}

export type AnyBootEvidence = BootEvidence | StatelessBootEvidence

export interface SnpEvidence {
  kind: 'SNP'
  report: Base64Url
  /** VCEK, ASK, ARK, in that order. */
  vcekChainPem: string
  crl: Base64Url
}

export interface TdxEvidence {
  kind: 'TDX'
  tdReport: Base64Url
  quote: Base64Url
  collateral: TdxCollateralBody
}

/** Intel's collateral as served: JSON bodies stay raw text because their signatures cover the bytes. */
export interface TdxCollateralBody {
  tcbInfo: string
  tcbInfoIssuerChainPem: string
  qeIdentity: string
  qeIdentityIssuerChainPem: string
  pckCrl: Base64Url
  pckCrlIssuerChainPem: string
  rootCaCrl: Base64Url
}

/**
 * Claim of a boot under `vm-configuration`: SHA-256, hexadecimal, of the settings that the guest may apply (the account, SSH keys and data
 * of `/var/lib/strongroom/settled`). The vTPM has it. Absent for VMs whose disk brings its own settings.
 */
export const settingsClaim = 'settings-sha256'
