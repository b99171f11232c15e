import { randomBytes, randomUUID } from 'node:crypto'
import {
  attestationManagementHost,
  attestationProviderHost,
  loginHost,
  vaultManagementHost,
  type AttestationProviderDefinition,
  type AttestationProviderRecord,
} from '@strongroom/contract'
import type {
  BootEvidence,
  CommandRequest,
  CommandStatus,
  CustomerKey,
  ErrorDetail,
  ImageBuildStatus,
  ImageRecord,
  InstanceConversion,
  InstanceRekey,
  InstanceSpec,
  InstanceStatus,
  ManagedIdentity,
  ManagedIdentityAssignments,
  ManagedIdentityRequest,
  ManagedIdentityTokenRequest,
} from '@strongroom/contract'
import { ServiceError, type WireClient, type WireRequest, type WireResponse } from '@strongroom/platform'
import { FakeCustomerKeys } from './fake-customer-keys.ts'
import { FakeVaults } from './fake-vaults.ts'

interface Answer {
  status: number
  body?: unknown
}

const wrappedBy = (key: CustomerKey | undefined): { guestStateWrappedBy?: string } =>
  key?.keyIds[0] === undefined ? {} : { guestStateWrappedBy: key.keyIds[0] }

const computerName = ({ spec }: InstanceStatus): string => spec.osProfile?.computerName ?? ''
const time = (): string => new Date().toISOString()
const missing = (): Answer => ({ status: 404, body: { error: { code: 'NotFound', message: 'There is none.' } } })

export const referenceImage: ImageRecord = {
  id: 'debian-13-cvm',
  name: 'debian-13',
  version: '13.1.0',
  path: '/images/debian.raw',
  sizeBytes: 1.5 * 2 ** 30,
  sha256: '00',
  builtAt: '2026-01-01T00:00:00.000Z',
  source: 'reference',
  osType: 'Linux',
  qualifies: { confidential: true, diskEncryption: true, reasons: [] },
  os: { id: 'debian', versionId: '13', kernel: '6.12' },
}

/**
 * Replaces the host's and the vault's wire in tests of the resource manager: it stores states and lets a test decide
 * how a boot ends. It boots nothing.
 */
export class FakeWire implements WireClient {
  readonly instances: Map<string, InstanceStatus> = new Map<string, InstanceStatus>()
  readonly evidence: Map<string, BootEvidence> = new Map<string, BootEvidence>()
  readonly keys: Map<string, { kid: string; body: Record<string, unknown> }> = new Map<
    string,
    { kid: string; body: Record<string, unknown> }
  >()
  readonly providers: Map<string, AttestationProviderRecord> = new Map<string, AttestationProviderRecord>()
  /** By resource id. */
  readonly identities: Map<string, ManagedIdentity> = new Map<string, ManagedIdentity>()
  /** Client ids of user-assigned identities, by resource. */
  /** The directory's content, by object id. */
  readonly principalTypes: Map<string, string> = new Map<string, string>()
  /** Principals' groups, by object id. */
  readonly groups: Map<string, string[]> = new Map<string, string[]>()
  readonly assignments: Map<string, string[]> = new Map<string, string[]>()
  /** Deleted and not purged: their names are reserved. */
  readonly deletedKeys: Set<string> = new Set()
  readonly calls: {
    method: string
    host: string
    path: string
    token: string | undefined
    headers: Record<string, string>
    body: unknown
  }[] = []
  readonly vaults: FakeVaults = new FakeVaults()
  readonly customerKeys: FakeCustomerKeys = new FakeCustomerKeys()
  /** A VM whose guest state cannot be rewrapped. */
  rewrapError: { vmId: string; error: ErrorDetail } | undefined
  /** Evidence of boots without a guest, by VM. */
  readonly simulated: Map<string, { bootId: string }> = new Map()
  /** By id. */
  /** What guests answer a challenge with. */
  freshQuote: unknown
  readonly commands: Map<string, { request: CommandRequest; status: CommandStatus }> = new Map<
    string,
    { request: CommandRequest; status: CommandStatus }
  >()
  images: ImageRecord[] = [referenceImage]
  build: ImageBuildStatus = { state: 'Absent', steps: [] }
  /** The error that provisioning or a boot ends with; undefined for success. */
  provisioningError: ErrorDetail | undefined
  bootError: ErrorDetail | undefined
  /** The error that a stop ends with. */
  stopError: ErrorDetail | undefined
  /** The error that a conversion ends with. */
  conversionError: ErrorDetail | undefined
  rekeyError: ErrorDetail | undefined
  /** Ids of the requests. */
  readonly rekeys: string[] = []
  /** Boots stay in Booting while this is set, except those in `boots`. */
  hangs = false
  /** Computer names. */
  readonly boots = new Set<string>()
  /** Requests whose `METHOD path` matches fail as if the peer were unreachable. */
  away: RegExp | undefined

  /** Called after each request took effect and before its answer arrives: a test can end the server there. */
  afterEffect: ((call: string) => Promise<void>) | undefined

  async request<T>(o: WireRequest): Promise<WireResponse<T>> {
    const url = new URL(o.url)
    const { method, token, headers = {}, body } = o
    this.calls.push({ method, host: url.hostname, path: url.pathname, token, headers, body })
    if (this.away?.test(`${o.method} ${url.pathname}`) === true) {
      throw new ServiceError({ code: 'PeerUnreachable', message: 'The peer does not answer.' })
    }
    const answer = url.hostname.startsWith('platform.vault.')
      ? this.#vault(o, url)
      : url.hostname === attestationManagementHost
        ? this.#attestation(o, url)
        : url.hostname === loginHost
          ? this.#identity(o, url)
          : url.hostname === vaultManagementHost
            ? this.vaults.answer(o, url)
            : /\.(vault|managedhsm)\./.test(url.hostname)
              ? this.customerKeys.answer(o, url)
              : this.#host(o, url)
    await this.afterEffect?.(`${o.method} ${url.pathname}`)
    if (answer.status >= 400) {
      const { error } = answer.body as { error: ErrorDetail }
      throw ServiceError.relayed(error, answer.status)
    }
    return { status: answer.status, headers: {}, body: structuredClone(answer.body) as T }
  }

  close(): void {
    // There is no connection.
  }

  /** States that advance with time take their next step. */
  #advance(status: InstanceStatus): void {
    const { provisioning, power } = status
    const end = (steps: { endedAt?: string }[]): void => steps.forEach((step) => void (step.endedAt ??= time()))
    if (provisioning.state === 'Running') {
      end(provisioning.steps)
      provisioning.state = this.provisioningError === undefined ? 'Succeeded' : 'Failed'
      if (this.provisioningError !== undefined) provisioning.error = this.provisioningError
    }
    if (power.state === 'Stopping') {
      power.state = this.stopError === undefined ? 'Stopped' : 'Failed'
      if (this.stopError !== undefined) power.error = this.stopError
    } else if (power.state === 'Starting') power.state = 'Booting'
    else if (power.state === 'Booting' && (!this.hangs || this.boots.has(computerName(status)))) {
      end(power.steps)
      power.state = this.bootError === undefined ? 'Ready' : 'Failed'
      if (this.bootError !== undefined) power.error = this.bootError
      if (power.state === 'Ready') status.ssh = { host: '127.0.0.1', port: 2222 }
    }
  }

  #start(status: InstanceStatus): void {
    if (['Starting', 'Booting', 'Ready'].includes(status.power.state)) return
    status.power = { state: 'Starting', since: time(), steps: [{ name: 'attest', startedAt: time() }] }
  }

  #attestation(o: WireRequest, url: URL): Answer {
    const [, , regionCode = '', name = '', verb] = url.pathname.split('/')
    const host = attestationProviderHost(name, regionCode)
    const known = this.providers.get(host)
    if (o.method === 'DELETE') {
      this.providers.delete(host)
      return { status: 204 }
    }
    if (o.method === 'POST' && verb === 'rotateKey')
      return known === undefined ? missing() : { status: 200, body: { kid: 'new' } }
    if (o.method === 'POST' && verb === 'move') {
      if (known === undefined) return missing()
      known.resourceId = (o.body as { to: string }).to
      return { status: 200, body: known }
    }
    const definition = o.body as AttestationProviderDefinition
    if (known !== undefined && known.resourceId !== definition.resourceId)
      return { status: 409, body: { error: { code: 'NameNotAvailable', message: 'The name is taken.' } } }
    const trustModel = definition.policySigningCertificates.length === 0 ? 'AAD' : 'Isolated'
    const record = known ?? {
      name,
      regionCode,
      resourceId: definition.resourceId,
      trustModel,
      attestUri: `https://${host}`,
      createdAt: time(),
    }
    this.providers.set(host, record)
    return { status: known === undefined ? 201 : 200, body: record }
  }

  #identity(o: WireRequest, url: URL): Answer {
    const member = /\/memberGroups\/([^/]+)$/.exec(url.pathname)?.[1]
    if (member !== undefined) {
      const principalType = this.principalTypes.get(member)
      return { status: 200, body: { ...(principalType && { principalType }), groups: this.groups.get(member) ?? [] } }
    }
    if (url.pathname.endsWith('/assignments')) {
      const { resourceId, clientIds } = o.body as ManagedIdentityAssignments
      this.assignments.set(resourceId, clientIds)
      return { status: 204 }
    }
    const { resourceId } = o.body as ManagedIdentityRequest
    if (o.method === 'POST') {
      const known = [...this.identities.keys()].some((id) => id.toLowerCase() === resourceId.toLowerCase())
      const token = this.customerKeys.token(o.body as ManagedIdentityTokenRequest)
      if (known) return { status: 200, body: { accessToken: token } }
      return { status: 400, body: { error: { code: 'ManagedIdentityNotFound', message: 'There is none.' } } }
    }
    if (o.method === 'DELETE') {
      this.identities.delete(resourceId)
      return { status: 204 }
    }
    const fresh = { principalId: randomUUID(), clientId: randomUUID(), tenantId: 'tenant' }
    const identity = this.identities.get(resourceId) ?? fresh
    this.identities.set(resourceId, identity)
    return { status: 200, body: identity }
  }

  #withoutGuest(o: WireRequest, id: string): Answer {
    if (o.method === 'DELETE') {
      this.simulated.delete(id)
      return { status: 204 }
    }
    if (o.method === 'PUT') this.simulated.set(id, { bootId: (o.body as { bootId: string }).bootId })
    const found = this.simulated.get(id)
    return found === undefined ? missing() : { status: 200, body: found }
  }

  #host(o: WireRequest, url: URL): Answer {
    const [, collection, id, verb] = url.pathname.split('/')
    if (collection === 'images') return this.#images(o, id)
    if (collection === 'simulated') return this.#withoutGuest(o, id ?? '')
    if (id === undefined) return { status: 200, body: { value: [...this.instances.values()] } }
    const status = this.instances.get(id)
    if (o.method === 'PUT') {
      const fresh: InstanceStatus = {
        vmId: id,
        spec: o.body as InstanceSpec,
        provisioning: { state: 'Running', steps: [{ name: 'write disk', startedAt: time() }] },
        power: { state: 'Stopped', since: time(), steps: [] },
        notices: [],
        ...wrappedBy((o.body as InstanceSpec).customerKey),
      }
      if (status === undefined) this.instances.set(id, fresh)
      return { status: 202, body: this.instances.get(id) }
    }
    if (o.method === 'DELETE') {
      this.instances.delete(id)
      return { status: 204 }
    }
    if (status === undefined) return missing()
    if (verb === 'evidence') return this.evidence.has(id) ? { status: 200, body: this.evidence.get(id) } : missing()
    if (verb === 'rewrap') {
      if (this.rewrapError?.vmId === id) return { status: 409, body: { error: this.rewrapError.error } }
      const customerKey = o.body as CustomerKey
      status.spec = { ...status.spec, customerKey }
      Object.assign(status, wrappedBy(customerKey))
      return { status: 200, body: status }
    }
    if (verb === 'convert') {
      if (this.conversionError !== undefined) return { status: 409, body: { error: this.conversionError } }
      status.spec = { ...status.spec, ...(o.body as InstanceConversion) }
      return { status: 200, body: status }
    }
    if (verb === 'rekey') {
      if (this.rekeyError !== undefined) return { status: 409, body: { error: this.rekeyError } }
      this.rekeys.push((o.body as InstanceRekey).id)
      return { status: 200, body: status }
    }
    if (verb === 'fresh-quote') return { status: 200, body: this.freshQuote }
    if (verb === 'serial-log') return { status: 200, body: 'console of the guest\n' }
    if (verb === 'commands') return this.#command(o, url)
    if (verb === 'start') this.#start(status)
    else if (verb === 'stop') status.power = { state: 'Stopping', since: time(), steps: [] }
    else if (verb === 'restart') {
      status.power = { state: 'Stopped', since: time(), steps: [] }
      this.#start(status)
    } else if (o.method === 'PATCH')
      status.spec = {
        ...status.spec,
        ...(o.body as object),
        security: { ...status.spec.security, ...(o.body as InstanceSpec).security },
      }
    else this.#advance(status)
    return { status: verb === undefined ? 200 : 202, body: status }
  }

  #command(o: WireRequest, url: URL): Answer {
    if (o.method === 'POST') {
      const request = o.body as CommandRequest
      this.commands.set(request.id, { request, status: { id: request.id, state: 'Pending' } })
    }
    const found = this.commands.get(url.pathname.split('/')[4] ?? (o.body as CommandRequest).id)
    return found === undefined ? missing() : { status: 200, body: found.status }
  }

  #images(o: WireRequest, verb: string | undefined): Answer {
    if (verb === undefined) return { status: 200, body: { value: this.images } }
    if (verb === 'build') {
      if (o.method === 'POST') this.build = { state: 'Running', steps: [] }
      return { status: o.method === 'POST' ? 202 : 200, body: this.build }
    }
    const { name, path } = o.body as { name: string; path: string }
    const image: ImageRecord = { ...referenceImage, id: name, name, path, source: 'import' }
    this.images = [...this.images, image]
    return { status: 200, body: image }
  }

  #vault(o: WireRequest, url: URL): Answer {
    const [, collection, name = '', verb] = url.pathname.split('/')
    if (url.pathname.endsWith('/latest-launch')) return { status: 200, body: { value: `latest of ${name}` } }
    if (collection === 'deletedkeys') return { status: this.deletedKeys.delete(name) ? 204 : 404, body: missing().body }
    if (verb === 'create') {
      const taken = { error: { code: 'ObjectIsDeletedButRecoverable', message: 'The name is taken by a deleted key.' } }
      if (this.deletedKeys.has(name)) return { status: 409, body: taken }
      const kid = `https://${url.hostname}/keys/${name}/${randomBytes(16).toString('hex')}`
      this.keys.set(name, { kid, body: o.body as Record<string, unknown> })
    }
    const key = this.keys.get(name)
    if (key === undefined) return missing()
    if (o.method === 'DELETE') {
      this.keys.delete(name)
      this.deletedKeys.add(name)
    }
    return { status: 200, body: { key: { kid: key.kid } } }
  }
}
