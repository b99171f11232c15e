import { ByteWriter, digest, encodeTcb, reversed, snpReportLength, toHex, type TcbVersion } from '@strongroom/evidence'
import { snpFirmwareDigest, snpLaunchDigest } from '@strongroom/evidence/expected'
import type { Clock } from '../pki/clock.ts'
import { signRaw, type KeyStore } from '../pki/keys.ts'
import { SimulatedAmdEndorser, type AmdEndorsements, type SimulatedProduct } from './amd-endorser.ts'

/** Inputs of a guest's launch. */
export interface SnpLaunch {
  /** Whole image; it is measured, not run. */
  firmware: Uint8Array
  vCPUs: number
  /** QEMU's name of the processor. */
  vcpuType: string
  /** GUEST_POLICY; default: ABI 0.31 with SMT allowed, no debugging. */
  policy?: bigint
  /** 32 bytes. */
  hostData?: Uint8Array
  /** 16 bytes each, of the id block; default zero. */
  familyId?: Uint8Array
  imageId?: Uint8Array
  guestSvn?: number
}

/** A running guest as the secure processor sees it. */
export interface SnpGuest {
  /** 48 bytes. */
  measurement: Uint8Array
  /**
   * Signed report for the guest at privilege level 0.
   * @param reportData 64 bytes
   */
  report(reportData: Uint8Array): Promise<Uint8Array>
}

export interface AmdSecureProcessor {
  launch(o: SnpLaunch): Promise<SnpGuest>
  endorsements(): Promise<AmdEndorsements>
}

/** An invalid request of a host to the secure processor. */
export class SnpLaunchError extends Error {
  readonly code: 'PolicyFailure' | 'InvalidParameter'

  constructor(o: { code: 'PolicyFailure' | 'InvalidParameter'; message: string }) {
    super(o.message)
    this.name = 'SnpLaunchError'
    this.code = o.code
  }
}

const defaultPolicy = 0x3001fn
/** Firmware 1.55.40, committed. */
const firmwareVersion = { major: 1, minor: 55, build: 40 } as const
/** Versions of the simulated platform's components: of a fully updated machine. */
const simulatedTcb: TcbVersion = { fmc: 0, bootLoader: 4, tee: 0, snp: 29, microcode: 222 }
/** SMT on, ECC memory, aliasing checked: what Azure's hosts report. */
const platformInfo = 0x25n

const cpus: Record<SimulatedProduct, readonly [family: number, model: number, stepping: number]> = {
  Milan: [0x19, 0x01, 0x01],
  Genoa: [0x19, 0x11, 0x01],
}

/**
 * Software in place of AMD's secure processor: makes correct reports of the firmware it is given, under its own root.
 * It runs on the host and offers no protection from the host.
 */
export class SimulatedSecureProcessor implements AmdSecureProcessor {
  readonly #endorser: SimulatedAmdEndorser
  /** Digests of firmware images by SHA-256: a host starts many guests from few images. */
  readonly #firmwareDigests = new Map<string, Promise<Uint8Array>>()

  private constructor(endorser: SimulatedAmdEndorser) {
    this.#endorser = endorser
  }

  static async open(o: {
    keys: KeyStore
    clock: Clock
    product?: SimulatedProduct
  }): Promise<SimulatedSecureProcessor> {
    const { keys, clock, product = 'Milan' } = o
    return new SimulatedSecureProcessor(await SimulatedAmdEndorser.open({ keys, clock, product, tcb: simulatedTcb }))
  }

  /** DER SubjectPublicKeyInfo of the simulated root. */
  get rootSpki(): Uint8Array {
    return this.#endorser.rootSpki
  }

  get product(): SimulatedProduct {
    return this.#endorser.product
  }

  endorsements(): Promise<AmdEndorsements> {
    return this.#endorser.endorsements()
  }

  /** @throws SnpLaunchError, ParseError (firmware that SNP cannot start) */
  async launch(o: SnpLaunch): Promise<SnpGuest> {
    const policy = o.policy ?? defaultPolicy
    checkPolicy(policy)
    const hostData = exactly(o.hostData ?? new Uint8Array(32), 32, 'host data')
    const familyId = exactly(o.familyId ?? new Uint8Array(16), 16, 'family id')
    const imageId = exactly(o.imageId ?? new Uint8Array(16), 16, 'image id')
    const guestSvn = o.guestSvn ?? 0
    const { firmware, vCPUs, vcpuType } = o
    const firmwareDigest = await this.#firmwareDigest(firmware)
    const measurement = await snpLaunchDigest({ firmware, vCPUs, vcpuType, firmwareDigest })
    const reportId = crypto.getRandomValues(new Uint8Array(32))
    const identity = { policy, hostData, familyId, imageId, guestSvn, measurement, reportId }
    return {
      measurement: Uint8Array.from(measurement),
      report: (reportData) => this.#report(identity, exactly(reportData, 64, 'report data')),
    }
  }

  async #firmwareDigest(firmware: Uint8Array): Promise<Uint8Array> {
    const key = toHex(await digest('SHA-256', firmware))
    const known = this.#firmwareDigests.get(key)
    if (known !== undefined) return known
    const fresh = snpFirmwareDigest(firmware)
    this.#firmwareDigests.set(key, fresh)
    fresh.catch(() => this.#firmwareDigests.delete(key))
    return fresh
  }

  async #report(
    guest: {
      policy: bigint
      hostData: Uint8Array
      familyId: Uint8Array
      imageId: Uint8Array
      guestSvn: number
      measurement: Uint8Array
      reportId: Uint8Array
    },
    reportData: Uint8Array,
  ): Promise<Uint8Array> {
    const tcb = encodeTcb(this.#endorser.tcb, this.product)
    const { major, minor, build } = firmwareVersion
    const writer = new ByteWriter()
      .u32le(3)
      .u32le(guest.guestSvn)
      .u64le(guest.policy)
      .bytes(guest.familyId)
      .bytes(guest.imageId)
      .u32le(0)
      .u32le(1)
      .u64le(tcb)
      .u64le(platformInfo)
      // Signed by the chip's key; no author key; no masking.
      .u32le(0)
      .zero(4)
      .bytes(reportData)
      .bytes(guest.measurement)
      .bytes(guest.hostData)
      .zero(48)
      .zero(48)
      .bytes(guest.reportId)
      .bytes(new Uint8Array(32).fill(0xff))
      .u64le(tcb)
    for (const part of cpus[this.product]) writer.u8(part)
    writer
      .zero(21)
      .bytes(await this.#endorser.hardwareId())
      .u64le(tcb)
    for (let time = 0; time < 2; time++) writer.u8(build).u8(minor).u8(major).zero(1)
    writer.u64le(tcb).zero(0x2a0 - writer.length)
    const signature = await signRaw(this.#endorser.chipKey, writer.finish())
    writer.padded(reversed(signature.subarray(0, 48)), 72).padded(reversed(signature.subarray(48)), 72)
    return writer.zero(snpReportLength - writer.length).finish()
  }
}

/** Refuses what the real firmware refuses at SNP_LAUNCH_START. */
function checkPolicy(policy: bigint): void {
  const abi = Number((policy >> 8n) & 0xffn) * 256 + Number(policy & 0xffn)
  if (((policy >> 17n) & 1n) !== 1n || policy >> 26n !== 0n || policy < 0n) {
    throw new SnpLaunchError({ code: 'InvalidParameter', message: 'Guest policy has reserved bits that are wrong' })
  }
  if (abi > firmwareVersion.major * 256 + firmwareVersion.minor) {
    throw new SnpLaunchError({ code: 'PolicyFailure', message: 'Guest policy demands newer firmware' })
  }
}

function exactly(bytes: Uint8Array, length: number, what: string): Uint8Array {
  if (bytes.length !== length) {
    const message = `${what} is ${bytes.length} bytes instead of ${length}`
    throw new SnpLaunchError({ code: 'InvalidParameter', message })
  }
  return Uint8Array.from(bytes)
}
