import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ArmOperation, ErrorDetail } from '@strongroom/contract'
import {
  createLogger,
  createSealer,
  ServiceError,
  systemClock,
  type AttestationVerifier,
  type Clock,
  type Service,
  type Store,
  type WireClient,
} from '@strongroom/platform'
import { createControlPlaneService } from '../index.ts'
import type { ResourceTypes } from '../types/registry.ts'
import { FakeWire } from './fake-wire.ts'
import { ownerId, subscriptionId, tenantId, type Loose } from './ids.ts'

export { ownerId, subscriptionId, tenantId, type Loose } from './ids.ts'

export const group: string = `/subscriptions/${subscriptionId}/resourceGroups/rg1`
export const vmPath = (name: string): string => `${group}/providers/Microsoft.Compute/virtualMachines/${name}`
export const networkPath = (kind: string, name: string): string =>
  `${group}/providers/Microsoft.Network/${kind}/${name}`

export interface TestReply {
  status: number
  headers: Record<string, string>
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into member by member
  body: any
}

export interface TestPlane {
  wire: FakeWire
  /** The rows behind it. */
  store: Store
  service: Service
  /** As the owner, unless `as` is another principal, or null for no token. */
  send(
    method: string,
    path: string,
    body?: unknown,
    o?: { as?: string | null; headers?: Record<string, string>; /** The body, unchanged. */ text?: string },
  ): Promise<TestReply>
  /** Sends, then follows the operation to its end. */
  run(method: string, path: string, body?: unknown): Promise<{ reply: TestReply; operation: ArmOperation }>
  follow(reply: TestReply): Promise<ArmOperation>
}

/** A resource manager on `store`'s data whose tokens are principals' object ids. */
export async function openTestPlane(
  store: Store,
  wire: FakeWire = new FakeWire(),
  o: {
    compute?: 'simulated'
    strictImages?: boolean
    answersAzureNames?: () => boolean
    store?: Store
    clock?: Clock
    verifiers?: readonly AttestationVerifier[]
    types?: ResourceTypes
    /** Wraps `wire`. */ through?: WireClient
  } = {},
): Promise<TestPlane> {
  const service = await createControlPlaneService({
    installation: {
      id: 'test',
      tenantId,
      subscriptionId,
      mode: 'simulated',
      ...(o.compute !== undefined && { compute: o.compute }),
      createdAt: '2026-01-01T00:00:00.000Z',
      region: 'westeurope',
      ports: { tls: 0, local: 0 },
    },
    stateDir: '/nonexistent',
    cacheDir: '/nonexistent',
    storeUrl: store.url,
    storeService: store.service,
    sealer: createSealer(new Uint8Array(32)),
    ...(o.store !== undefined && { store: o.store }),
    clock: o.clock ?? systemClock,
    logger: createLogger({ level: 'silent' }),
    wire: o.through ?? wire,
    tokens: { token: async (principal, audience) => `${principal} for ${audience}` },
    verifier: {
      verify: async (token, audiences) => {
        if (!/^[0-9a-f-]{36}$/.test(token))
          throw new ServiceError({
            code: 'InvalidAuthenticationToken',
            message: `Not a token for ${audiences.length} audiences.`,
          })
        return { objectId: token, appId: token, tenantId, claims: {} }
      },
    },
    newId: randomUUID,
    ownerObjectId: ownerId,
    pollMs: 5,
    strictImages: o.strictImages ?? false,
    ...(o.answersAzureNames && { answersAzureNames: o.answersAzureNames }),
    ...(o.verifiers !== undefined && { verifiers: o.verifiers }),
    ...(o.types !== undefined && { types: o.types }),
  })
  await service.start()
  const { app } = service.hosts[0]!

  const send: TestPlane['send'] = async (method, path, body, o = {}) => {
    const as = o.as === undefined ? ownerId : o.as
    const url = path.includes('api-version=') ? path : `${path}${path.includes('?') ? '&' : '?'}api-version=2024-11-01`
    const reply = await app.inject({
      method: method as 'GET',
      url,
      headers: {
        host: 'management.strongroom.internal',
        ...(as !== null && { authorization: `Bearer ${as}` }),
        ...o.headers,
      },
      ...(body !== undefined && { payload: body as object }),
      ...(o.text !== undefined && { payload: o.text }),
    })
    return {
      status: reply.statusCode,
      headers: reply.headers as Record<string, string>,
      body: reply.body === '' ? undefined : (JSON.parse(reply.body) as unknown),
    }
  }
  const follow: TestPlane['follow'] = async (reply) => {
    const url = new URL(reply.headers['azure-asyncoperation'] ?? 'missing:')
    for (;;) {
      const polled = await send('GET', url.pathname + url.search)
      const operation = polled.body as ArmOperation
      if (polled.status !== 200) throw new Error(JSON.stringify(polled.body))
      if (operation.status !== 'InProgress') return operation
      await sleep(5)
    }
  }
  return {
    wire,
    store,
    service,
    send,
    follow,
    run: async (method, path, body) => {
      const reply = await send(method, path, body)
      if (reply.status >= 400) throw new Error(JSON.stringify(reply.body))
      return { reply, operation: await follow(reply) }
    },
  }
}

export const sshKey: string = `ssh-ed25519 ${Buffer.from(`\0\0\0\x0bssh-ed25519\0\0\0\x20${'\x07'.repeat(32)}`).toString('base64')} me`

/** As `az vm create` sends it, including nulls and a lower-case enum value. */
export function vmRequest(name: string): Loose {
  return {
    location: 'westeurope',
    tags: { purpose: 'test' },
    properties: {
      hardwareProfile: { vmSize: 'Standard_DC2as_v5' },
      securityProfile: {
        securityType: 'ConfidentialVM',
        uefiSettings: { secureBootEnabled: true, vTpmEnabled: 'true' },
      },
      storageProfile: {
        imageReference: { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm', version: 'latest' },
        osDisk: {
          createOption: 'fromImage',
          name: null,
          deleteOption: null,
          managedDisk: {
            storageAccountType: null,
            securityProfile: { securityEncryptionType: 'DiskWithVMGuestState' },
          },
        },
      },
      osProfile: {
        computerName: name,
        adminUsername: 'azureuser',
        linuxConfiguration: {
          disablePasswordAuthentication: true,
          ssh: { publicKeys: [{ path: '/home/azureuser/.ssh/authorized_keys', keyData: sshKey }] },
        },
      },
      networkProfile: {
        networkInterfaces: [
          { id: networkPath('networkInterfaces', `${name}VMNic`), properties: { deleteOption: 'Delete' } },
        ],
      },
    },
  }
}

/** The same without a confidential processor. */
export function trustedVmRequest(name: string): Loose {
  const body = vmRequest(name)
  body.properties.hardwareProfile.vmSize = 'Standard_D2as_v5'
  body.properties.securityProfile.securityType = 'TrustedLaunch'
  body.properties.storageProfile.osDisk.managedDisk.securityProfile = null
  return body
}

/** What the CLI creates before a VM: group, security group, network, address and interface. */
export async function makeNetwork(plane: TestPlane, name: string): Promise<void> {
  const location = 'westeurope'
  const put = async (path: string, body: object): Promise<void> => {
    const reply = await plane.send('PUT', path, body)
    if (reply.status >= 300) throw new Error(JSON.stringify(reply.body))
  }
  await put(group, { location })
  await put(networkPath('networkSecurityGroups', `${name}NSG`), { location, properties: { securityRules: [] } })
  await put(networkPath('virtualNetworks', 'vnet'), {
    location,
    properties: {
      addressSpace: { addressPrefixes: ['10.0.0.0/16'] },
      subnets: [{ name: 'default', properties: { addressPrefix: '10.0.0.0/24' } }],
    },
  })
  await put(networkPath('publicIPAddresses', `${name}PublicIP`), {
    location,
    sku: { name: 'Standard' },
    properties: { publicIPAllocationMethod: 'Static' },
  })
  await put(networkPath('networkInterfaces', `${name}VMNic`), {
    location,
    properties: {
      networkSecurityGroup: { id: networkPath('networkSecurityGroups', `${name}NSG`) },
      ipConfigurations: [
        {
          name: 'ipconfig1',
          properties: {
            subnet: { id: `${networkPath('virtualNetworks', 'vnet')}/subnets/default` },
            publicIPAddress: { id: networkPath('publicIPAddresses', `${name}PublicIP`) },
          },
        },
      ],
    },
  })
}

/** Codes of an error and everything it lists, except the cited rules. */
export const codesOf = (body: { error: ErrorDetail }): string[] => [
  body.error.code,
  ...(body.error.details ?? []).map((detail) => detail.code).filter((code) => code !== 'FaqRule'),
]

/** The FAQ's rules that an error cites, for example S21. */
export const rulesOf = (body: { error: ErrorDetail }): string[] =>
  (body.error.details ?? []).filter(({ code }) => code === 'FaqRule').map(({ target }) => target ?? '')
