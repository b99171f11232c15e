import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GuestHealth, InstanceSpec, PlannedEvent } from '@strongroom/contract'
import {
  createLogger,
  ServiceError,
  systemClock,
  type InstallationAuthority,
  type WireRequest,
} from '@strongroom/platform'
import { exampleSpec, testAuthority } from '@strongroom/paravisor/testing'
import { testSilicon } from '../../testing.ts'
import { CommandQueue } from '../command-queue.ts'
import { DocumentSigner } from '../attested-document.ts'
import { startMetadataServer, type MetadataServer } from '../metadata-server.ts'

export const spec: InstanceSpec = {
  ...exampleSpec,
  osProfile: {
    ...exampleSpec.osProfile,
    sshPublicKeys: ['ssh-ed25519 AAAA one\nadminUsername cm9vdA==', 'ssh-rsa BBBB two'],
  },
  interfaces: [{ macAddress: '02-53-52-AA-BB-CC', privateIpAddress: '10.0.1.7', subnetPrefix: '10.0.1.0/24' }],
  tags: { team: 'blue', cost: '7' },
  shown: {
    imageReference: { publisher: 'Strongroom', offer: 'debian', sku: '13', version: '1.0.0' },
    zone: '2',
    scaleSet: '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/web',
    subnetPrefix: '10.0.0.0/24',
    domains: { faultDomain: 1, updateDomain: 3 },
  },
}
export const tenantId = '22222222-2222-4222-8222-222222222222'
const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
/** SubjectPublicKeyInfo of the guests' attestation key. */
export const akSpki: Uint8Array = Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }))

const bootNonce = Buffer.from('nonce')

export interface Answer {
  status: number
  text: string
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read what the wire answers
  json: any
}

export interface Call {
  guest?: string
  method?: string
  path: string
  /** In addition to `Metadata: true`, which undefined removes. */
  headers?: Record<string, string | undefined>
  body?: string
}

/** Metadata endpoints of guests on simulated silicon, over unix sockets like QEMU's. */
export class TestEndpoints {
  readonly directory: string
  readonly authority: InstallationAuthority
  /** Requests to the directory. */
  readonly asked: WireRequest[] = []
  /** What each guest reported about itself. */
  readonly health: Map<string, GuestHealth> = new Map()
  /** The directory's answer; a VM without an identity by default. */
  identity: { clientId: string; objectId: string } | undefined
  refusal: ServiceError = new ServiceError({ code: 'ManagedIdentityNotFound', message: 'none' })
  readonly #servers: MetadataServer[] = []

  /** What is planned for each guest, and what they have approved. */
  planned: PlannedEvent | undefined
  readonly approved: string[] = []

  readonly commands: CommandQueue = new CommandQueue(systemClock)

  private constructor(directory: string, authority: InstallationAuthority) {
    this.directory = directory
    this.authority = authority
  }

  /** Serves a guest named `snp` and one named `tdx`. */
  static async open(): Promise<TestEndpoints> {
    const directory = await mkdtemp(join(tmpdir(), 'B-metadata-'))
    const endpoints = new TestEndpoints(directory, await testAuthority(directory))
    await endpoints.serve('snp', 'SNP')
    await endpoints.serve('tdx', 'TDX')
    return endpoints
  }

  /**
   * @param reported whether the guest's boot report was already accepted
   * @param o vTpm: false has no hardware report, like VMs without a vTPM
   */
  async serve(name: string, tee: 'SNP' | 'TDX', reported = true, o: { vTpm?: false } = {}): Promise<void> {
    this.#servers.push(
      await startMetadataServer({
        socket: join(this.directory, name),
        spec: { ...spec, tee },
        installation: { subscriptionId: 'subscription', tenantId },
        authority: this.authority,
        documents: new DocumentSigner({ authority: this.authority, clock: systemClock }),
        clock: systemClock,
        silicon: await testSilicon(),
        wire: {
          close: () => {},
          request: async <T>(o: WireRequest) => {
            this.asked.push(o)
            if (this.identity === undefined) throw this.refusal
            const body = { ...this.identity, accessToken: 'eyJ.token', expiresIn: 3600, expiresOn: 1_800_003_600 }
            return { status: 200, headers: {}, body: body as T }
          },
        },
        tokens: { token: async (principal, audience) => `${principal} for ${audience}` },
        akSpki,
        ...(o.vTpm !== false && {
          report: async (userData = new Uint8Array()) => ({ hclReport: userData, quote: async () => undefined }),
        }),
        commands: this.commands,
        events: {
          current: () => this.planned,
          approve: async (id) => await Promise.resolve(void this.approved.push(id)),
        },
        nonce: bootNonce,
        logger: createLogger({ level: 'silent' }),
        onHealth: (health) => void this.health.set(name, health),
        onReady: async ({ nonce }) => {
          if (Buffer.from(nonce).equals(bootNonce)) return
          throw new ServiceError({ code: 'BootReportRefused', message: 'no' })
        },
      }),
    )
    if (reported) await this.report(name)
  }

  /** Sends a boot report; its content is judged elsewhere (measured-boot.ts). */
  async report(name: string, nonce: Uint8Array = bootNonce): Promise<Answer> {
    const bytes = { quoteMessage: 'AAAA', quoteSignature: 'AAAA', pcrs: {}, eventLog: 'AAAA' }
    return await this.send({
      guest: name,
      method: 'POST',
      path: '/metadata/strongroom/ready',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...bytes, nonce: Buffer.from(nonce).toString('base64url') }),
    })
  }

  /** As a program in the guest, `snp` by default. */
  send(o: Call): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          socketPath: join(this.directory, o.guest ?? 'snp'),
          method: o.method ?? 'GET',
          path: o.path,
          agent: false,
          headers: withoutUndefined({ metadata: 'true', ...o.headers }),
        },
        (response) => {
          let text = ''
          response.on('data', (chunk: Buffer) => (text += chunk.toString()))
          response.on('end', () => {
            const isJson = (response.headers['content-type'] ?? '').includes('json')
            resolve({ status: response.statusCode ?? 0, text, json: isJson ? JSON.parse(text) : undefined })
          })
        },
      )
      sent.on('error', reject)
      sent.end(o.body)
    })
  }

  async close(): Promise<void> {
    for (const server of this.#servers) await server.close()
    await rm(this.directory, { recursive: true, force: true })
  }
}

const withoutUndefined = (headers: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
