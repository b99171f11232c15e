import { rmSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AbstractStartedContainer,
  type StartedTestContainer,
  type StopOptions,
  type StoppedTestContainer,
} from 'testcontainers'
import { accessTo, ownerCredential } from '../access.ts'
import { CloudAgent } from '../agent.ts'
import type { Cloud, Endpoints, OwnerCredential } from '../cloud.ts'
import { certificateSignIn } from './certificate-sign-in.ts'
import { loginOf, type ContainerLogin } from './login.ts'

/** A running cloud in a container: what the package's `start()` returns, plus a container's members. */
export class StartedStrongroomContainer extends AbstractStartedContainer {
  readonly endpoints: Endpoints
  /** Variables for other programs (az, SDKs in separate processes), signed in as the owner by a certificate. */
  readonly env: Record<string, string>
  /** PEM of the certificate authority, created for this cloud only. */
  readonly ca: string
  readonly subscriptionId: string
  readonly tenantId: string
  readonly region: string
  readonly credential: OwnerCredential
  /** Leads a request for any of the cloud's names to it, and trusts only `ca`. */
  readonly agent: Cloud['agent']
  /** For the clients of Azure's SDKs: `new ComputeManagementClient(cloud.credential, cloud.subscriptionId, cloud.clientOptions)`. */
  readonly clientOptions: Cloud['clientOptions']
  /** URL of the region's shared attestation provider. */
  readonly issuer: string
  readonly #forget: () => void

  private constructor(container: StartedTestContainer, login: ContainerLogin, files: ClientFiles) {
    super(container)
    const { record, ca, clientId, pem } = login
    const agent = new CloudAgent({ port: record.ports.tls, ca })
    const client = { id: clientId, certificate: files.certificate }
    const access = accessTo({ record: { ...record, caPath: files.ca }, client, directory: files.directory, ca, agent })
    this.endpoints = access.endpoints
    this.env = access.env
    this.ca = ca
    this.subscriptionId = access.subscriptionId
    this.tenantId = access.tenantId
    this.region = access.region
    this.agent = agent
    this.clientOptions = access.clientOptions
    this.issuer = access.issuer
    this.credential = ownerCredential(certificateSignIn({ tenantId: record.tenantId, clientId, pem, agent }))
    const forget = (): void => rmSync(files.directory, { recursive: true, force: true })
    // A caller who forgets to stop it leaves no key behind.
    process.once('exit', forget)
    this.#forget = () => {
      process.removeListener('exit', forget)
      agent.destroy()
      forget()
    }
  }

  /** @throws Error if the container does not report how to reach it; it is then stopped */
  static async of(container: StartedTestContainer): Promise<StartedStrongroomContainer> {
    try {
      const login = await loginOf(container)
      return new StartedStrongroomContainer(container, login, await writeFiles(login))
    } catch (error) {
      await container.stop()
      throw error
    }
  }

  /** Ends the cloud, with everything in the container and of its clients. */
  override async stop(options?: Partial<StopOptions>): Promise<StoppedTestContainer> {
    this.#forget()
    return await super.stop(options)
  }
}

interface ClientFiles {
  directory: string
  certificate: string
  ca: string
}

/** For programs that accept files; a folder that only this user can enter. */
async function writeFiles({ ca, pem }: ContainerLogin): Promise<ClientFiles> {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-container-'))
  const files = { directory, certificate: join(directory, 'login.pem'), ca: join(directory, 'ca.pem') }
  await writeFile(files.certificate, pem, { mode: 0o600 })
  await writeFile(files.ca, ca)
  return files
}
