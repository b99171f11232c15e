import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { InstanceSpec, Tee } from '@strongroom/contract'
import { buildHclReport, parsePem } from '@strongroom/evidence'
import {
  memoryBackedDirectory,
  openAuthority,
  run,
  type InstallationAuthority,
  type ServiceContext,
} from '@strongroom/platform'
import { createSilicon, type Silicon } from '@strongroom/silicon'
import { bootRecords, digestOf, eventLog } from '../../../services/attestation/src/testing/guest-log.ts'
import { DocumentSigner } from '../../../services/host/src/network/attested-document.ts'
import { startMetadataServer, type MetadataServer } from '../../../services/host/src/network/metadata-server.ts'
import { vtpmClaims } from '../../../services/paravisor/src/release/claims.ts'
import { launchOnSilicon } from '../../../services/paravisor/src/release/silicon.ts'
import { readFirmware } from '../../../services/paravisor/src/firmware/read-firmware.ts'
import { openSiliconKeys } from '../../../services/host/src/silicon-keys.ts'
import { exampleSpec } from '../../../services/paravisor/src/testing.ts'
import { certifyAttestationKey, certifyEndorsementKey } from '../../../services/paravisor/src/tpm/certificates.ts'
import { writeNvIndices } from '../../../services/paravisor/src/tpm/nv-indices.ts'
import { manufactureTpm } from '../../../services/paravisor/src/tpm/manufacture.ts'
import { startSwtpm, stopSwtpm, tpmTool, type Swtpm } from '../../../services/paravisor/src/tpm/swtpm.ts'
import { TpmDirectory } from '../../../services/paravisor/src/tpm/tpm-directory.ts'

/** The processors and the authority of an installation whose server runs in this process. */
export interface House {
  context: ServiceContext
  silicon: Silicon
  authority: InstallationAuthority
}

export async function openHouse(context: ServiceContext): Promise<House> {
  const silicon = await createSilicon({ keys: await openSiliconKeys(context), clock: context.clock })
  return { context, silicon, authority: await openAuthority(context) }
}

/**
 * A guest's view of its machine, without the guest: the vTPM as the paravisor creates it, registers and log of a boot,
 * and the metadata endpoint. The programs run against it are a guest's own.
 */
export class SimulatedGuest {
  readonly spec: InstanceSpec
  readonly #house: House
  readonly #runtimeDir: string
  #directory: TpmDirectory | undefined
  #tpm: Swtpm | undefined
  #metadata: MetadataServer | undefined

  private constructor(house: House, spec: InstanceSpec, runtimeDir: string) {
    this.#house = house
    this.spec = spec
    this.#runtimeDir = runtimeDir
  }

  static async create(house: House, o: { vmId: string; tee: Tee }): Promise<SimulatedGuest> {
    const runtimeDir = await memoryBackedDirectory('B-guest')
    const guest = new SimulatedGuest(house, { ...exampleSpec, ...o }, runtimeDir)
    await guest.boot()
    return guest
  }

  /** For programs that run as the guest's. */
  get environment(): Record<string, string> {
    return {
      TPM2TOOLS_TCTI: `swtpm:path=${this.#tpm!.socket}`,
      TSS2_LOG: 'all+NONE',
      METADATA_SOCKET: join(this.#runtimeDir, 'metadata'),
      TCG_LOG: join(this.#runtimeDir, 'log'),
    }
  }

  /** Powers it on: the first time the vTPM is created, afterwards the same one starts with fresh registers. */
  async boot(): Promise<void> {
    const { authority, context, silicon } = this.#house
    const { spec } = this
    const { path, user } = { path: join(this.#runtimeDir, 'tpm'), user: undefined }
    const directory = (this.#directory ??= await TpmDirectory.make({ path, user }))
    const identity = (this.#identity ??= await manufactureTpm({ directory }))
    const tpm = await startSwtpm({ directory, name: 'vtpm', startup: 'clear' })
    this.#tpm = tpm
    const launched = await launchOnSilicon({ silicon, spec, firmware: await readFirmware(), vCPUs: 2 })
    const report = async (userData?: Uint8Array): Promise<Uint8Array> => {
      const claims = vtpmClaims({ spec, akSpki: identity.akSpki, ...(userData && { userData }) })
      const { bytes } = await launched.report(claims)
      return buildHclReport({ hardwareReport: bytes, reportType: spec.tee, claims })
    }
    const certify = { authority, vmId: spec.vmId }
    const [ak, ek] = [
      await certifyAttestationKey({ ...certify, spki: identity.akSpki }),
      await certifyEndorsementKey({ ...certify, spki: identity.ekSpki }),
    ]
    await writeNvIndices({
      tpm,
      hclReport: await report(),
      akCertificate: parsePem(ak)[0]!,
      ekCertificate: parsePem(ek)[0]!,
    })
    const records = bootRecords()
    for (const record of records)
      await tpmTool(tpm, 'tpm2_pcrextend', [`${record.pcr}:sha256=${Buffer.from(digestOf(record)).toString('hex')}`])
    await writeFile(join(this.#runtimeDir, 'log'), eventLog(records))
    this.#metadata = await startMetadataServer({
      ...context,
      socket: this.environment['METADATA_SOCKET']!,
      spec,
      authority,
      documents: new DocumentSigner({ authority, clock: context.clock }),
      silicon,
      akSpki: identity.akSpki,
      report: async (userData) => ({ hclReport: await report(userData), quote: async () => undefined }),
      nonce: new Uint8Array(32),
      onHealth: () => {},
      onReady: () => Promise.resolve(),
    })
    await this.#report()
  }

  /** As the agent finishes; the host's tests cover the report's content. */
  async #report(): Promise<void> {
    const report = { nonce: 'AAAA', quoteMessage: 'AAAA', quoteSignature: 'AAAA', pcrs: {}, eventLog: 'AAAA' }
    await this.metadata('/metadata/strongroom/ready', report)
  }

  /** One call of its metadata endpoint: GET, or POST with a JSON body. */
  async metadata<T>(path: string, body?: unknown): Promise<T> {
    const socket = this.environment['METADATA_SOCKET']!
    const headers = ['--header', 'Metadata: true', '--header', 'Content-Type: application/json']
    const sent = body === undefined ? [] : ['--data-binary', JSON.stringify(body)]
    const url = `http://169.254.169.254${path}`
    const args = ['--silent', '--fail-with-body', '--unix-socket', socket, ...headers, ...sent, url]
    return JSON.parse((await run({ command: 'curl', args, allow: [22] })).stdout.toString()) as T
  }
  #identity: Awaited<ReturnType<typeof manufactureTpm>> | undefined

  async tool(name: string, args: string[]): Promise<Buffer> {
    return (await run({ command: name, args, env: this.environment })).stdout
  }

  async powerOff(): Promise<void> {
    if (this.#tpm !== undefined) await stopSwtpm(this.#tpm)
    await this.#metadata?.close()
    this.#tpm = undefined
    this.#metadata = undefined
  }

  async remove(): Promise<void> {
    await this.powerOff()
    await rm(this.#runtimeDir, { recursive: true, force: true })
  }
}
