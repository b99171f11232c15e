import type { Tee } from './wires/host/names.ts'

/** Bytes as base64url without padding. */
export type Base64Url = string
/** Bytes as lower-case hexadecimal. */
export type Hex = string

/** What every boot of a confidential VM shows. */
export interface BootFacts {
  version: 1
  vmId: string
  bootId: string
  startedAt: string
  simulated: boolean
  /** False where no guest ran: the host put the predicted log into the vTPM, and there is no disk (compute simulated). */
  guestRan?: false
  tee: Tee
  silicon: SnpEvidence | TdxEvidence
  /** The exact runtime-claims bytes; report_data[0:32] is their SHA-256, the rest zero. */
  runtimeClaims: Base64Url
  /**
   * What the VM's image measures, signed by the installation (compact JWS, docs/design/0008-image-measurements.md): what a verifier
   * predicts the registers from. Absent of boots of before there were such documents.
   */
  measurements?: string
  /**
   * Of a boot of an update of the image's boot file: its document (compact JWS, docs/design/0018-kernel-updates.md) and the
   * certificate (DER) of the image's publisher, who signed it. Absent where the image's own boot file started.
   */
  update?: { document: string; certificate: Base64Url }
  /** What the host says that it launched and expects: told where it differs, and decides nothing. */
  expected: {
    firmwareSha256: Hex
    vCPUs: number
    /** QEMU name of the vCPU type, for example EPYC-Milan. */
    vcpuType: string
    /** SNP launch digest (48 bytes) or MRTD (48 bytes), computed by the paravisor's own arithmetic over the firmware. */
    launchMeasurement: Hex
    /** SHA-256 bank, predicted before the boot. */
    pcrs: Record<string, Hex>
    /**
     * What PCR 15 begins with: the digest that the initrd measures for the volume that this VM was made with. Absent where the OS
     * disk is not encrypted, and of VMs that were made before it was pinned.
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
   * What the guest was given to settle at its first boot, as its agent writes it (`/var/lib/strongroom/settled`). The host's word:
   * it counts only because PCR 14 is of it.
   */
  settled?: Base64Url
  osDisk: {
    encryption: 'LUKS2' | 'none'
    /** How the initrd mapped the volume, as it measured it into PCR 15. */
    opened?: { cipher: string; keyBits: number; sectorBytes: number; luksUuid: string }
  }
}

/**
 * All that one boot showed, kept by the host and handed out unchanged, so that anyone can verify it again:
 * silicon root → report → claims → transfer key → token → key released → guest state → vTPM → measured boot → disk.
 * Holds no secret: the released key is wrapped to a transfer key that no longer exists.
 */
export interface BootEvidence extends BootFacts {
  attestation: { issuer: string; token: string; jwks: { keys: Record<string, unknown>[] } }
  release: { keyId: string; jws: string; at: string }
  /** The customer's key, released beside it on the same token. Absent where the VM has no disk-encryption set. */
  customerRelease?: { diskEncryptionSet: string; keyId: string; jws: string; at: string }
  guestState: {
    format: 'VMGS'
    /** Authenticated counter, never lower than the key service's. */
    generation: number
    /** True always: a fresh data key at each boot. */
    freshDataKey: boolean
  }
}

/**
 * A boot with NonPersistedTPM: nothing of the operator's attests it, releases a key for it or keeps anything of it. The guest gives its
 * evidence to whoever asks it.
 */
export interface StatelessBootEvidence extends BootFacts {
  stateless: true
  /** When the evidence was whole: certificates and collateral are judged as of that time. */
  shownAt: string
}

export type AnyBootEvidence = BootEvidence | StatelessBootEvidence

export interface SnpEvidence {
  kind: 'SNP'
  report: Base64Url
  /** VCEK, ASK, ARK in that order. */
  vcekChainPem: string
  crl: Base64Url
}

export interface TdxEvidence {
  kind: 'TDX'
  tdReport: Base64Url
  quote: Base64Url
  collateral: TdxCollateralBody
}

/** Intel's collateral as served: JSON bodies are kept as raw text because their signatures cover the bytes. */
export interface TdxCollateralBody {
  tcbInfo: string
  tcbInfoIssuerChainPem: string
  qeIdentity: string
  qeIdentityIssuerChainPem: string
  pckCrl: Base64Url
  pckCrlIssuerChainPem: string
  rootCaCrl: Base64Url
}
