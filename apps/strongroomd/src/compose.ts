import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { createAttestationService } from '@strongroom/attestation'
import { collateralHost, principals } from '@strongroom/contract'
import { createControlPlaneService } from '@strongroom/control-plane'
import { createHostService, readCephConfiguration } from '@strongroom/host'
import { createIdentityService } from '@strongroom/identity'
import {
  createLogger,
  createSealer,
  createWireClient,
  openRootKey,
  openAuthority,
  openInstallation,
  PublicNames,
  readVerifiers,
  serve,
  serveFleet,
  ServiceError,
  systemClock,
  type FleetAddress,
  type Installation,
  type Listeners,
  type RunningServer,
  type Service,
  type ServiceContext,
} from '@strongroom/platform'
import { createVaultService, readKeystoreConfiguration, azureVaultRates, type VaultRates } from '@strongroom/vault'
import { createPortalApp } from './portal/portal-app.ts'
import { publicNamesRoute } from './public-names-route.ts'
import { restartRoute } from './restart-route.ts'
import { readStoreUrl } from './stores/store-url.ts'
import { fleetAddressOf, parseFleetAddress } from './fleet-address.ts'
import { removeServerRecord, writeServerRecord } from './server-record.ts'
import { interceptFaults } from './test-api/intercept.ts'
import { createTestApi, serveTestApi, type TestApi } from './test-api/test-api.ts'
import { createTokenSource } from './token-source.ts'

export interface ComposeOptions {
  stateDir?: string | undefined
  cacheDir?: string | undefined
  ports: { tls?: string | undefined; local?: string | undefined }
  mode?: string | undefined
  compute?: string | undefined
  /** Refuse VMs with unregistered images, instead of using the reference image. */
  strictImages?: boolean
  /** Let tests move the clock, inject faults and reset (docs/proof/testing.md). */
  testApi?: boolean
  /** File with the store's URL: it may contain a password, so it is not an argument. */
  storeUrlFile?: string | undefined
  /** File that configures where keys are created and kept (docs/explanation/vault.md); default: software. */
  keystoreFile?: string | undefined
  /** How long a guest may take from power-on to its report; default by acceleration. */
  bootLimitSeconds?: string | undefined
  /** `azure`: tenants' vaults have Azure's rate limits; default: none. */
  vaultLimits?: string | undefined
  /** Attest calls allowed per caller; default: the service's own limit. */
  callerLimit?: { requests: number; seconds: number }
  /** `1`: rows of unsealed stores are accepted as they are, once, if an earlier version wrote them. */
  bindRows?: string | undefined
  /** `1`: VMs that ran when the last server ended stay off. */
  keepVmsOff?: string | undefined
  /** ADDRESS:PORT on which hosts reach this server; without it none may join. */
  fleetAddress?: string | undefined
  /** File that says where disks of joined hosts' VMs are (docs/guides/fleet.md); default: in the state directory. */
  fleetStorageFile?: string | undefined
  /** How long hosts count as present after a call; default ten seconds. */
  fleetLeaseSeconds?: number
  /** `1`: Azure's shared attestation providers in release policies map to those of this installation. */
  mapAzureProviders?: string | undefined
  /** Listening sockets of the server whose place this one takes. */
  inherited?: Listeners | undefined
  /** Has another server take this one's place; absent if nothing can. */
  restart?: (() => void) | undefined
}

export interface RunningInstallation {
  context: ServiceContext
  /** For the server that takes this one's place. */
  sockets: ReturnType<RunningServer['sockets']>
  firstStart?: { ownerAppId: string; ownerSecret: string; tenantId: string }
  close(): Promise<void>
}

function parsePort(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port < 65536) return port
  throw new ServiceError({
    code: 'InvalidArgument',
    message: `'${text}' is not a port.`,
    expected: 'a number from 1 to 65535',
    found: text,
    remedy: `Set ${name} to a free port.`,
  })
}

function parseSeconds(name: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  const seconds = Number(text)
  if (Number.isInteger(seconds) && seconds > 0 && seconds <= 86_400) return seconds
  throw new ServiceError({
    code: 'InvalidArgument',
    message: `'${text}' is not a number of seconds.`,
    expected: 'a number from 1 to 86400',
    found: text,
    remedy: `Set ${name} to a number of seconds, or leave it unset.`,
  })
}

function parseVaultLimits(text: string | undefined): VaultRates | undefined {
  if (text === undefined || text === '') return undefined
  if (text === 'azure') return azureVaultRates
  throw new ServiceError({
    code: 'InvalidArgument',
    message: `'${text}' is not a set of vault limits.`,
    expected: 'azure',
    found: text,
    remedy: 'Set STRONGROOM_VAULT_LIMITS to azure, or leave it unset.',
  })
}

function parseSwitch(name: string, text: string | undefined): boolean {
  if (text === undefined || text === '') return false
  if (text === '1') return true
  throw new ServiceError({
    code: 'InvalidArgument',
    message: `'${text}' is not a value of ${name}.`,
    expected: '1',
    found: text,
    remedy: `Set ${name} to 1, or leave it unset.`,
  })
}

function parseMode(text: string | undefined): Installation['mode'] | undefined {
  if (text === undefined || text === 'simulated' || text === 'hardware') return text
  throw new ServiceError({
    code: 'InvalidArgument',
    message: `There is no mode '${text}'.`,
    expected: 'simulated or hardware',
    found: text,
    remedy: 'Omit --mode for simulated silicon.',
  })
}

function parseCompute(text: string | undefined): Installation['compute'] {
  if (text === undefined || text === 'guests' || text === 'simulated') return text
  throw new ServiceError({
    code: 'InvalidArgument',
    message: `There is no compute '${text}'.`,
    expected: 'guests or simulated',
    found: text,
    remedy: 'Omit --compute for guests that boot.',
  })
}

/** Starts all services of one installation in this process; if a later part fails, what was started is closed again. */
export async function compose(options: ComposeOptions): Promise<RunningInstallation> {
  const stateDir = resolve(options.stateDir ?? join(homedir(), '.local/state/strongroom'))
  const cacheDir = resolve(options.cacheDir ?? join(homedir(), '.cache/strongroom'))
  await mkdir(stateDir, { recursive: true, mode: 0o700 })
  await mkdir(cacheDir, { recursive: true })
  const mode = parseMode(options.mode)
  const compute = parseCompute(options.compute)
  const tls = parsePort('--port', options.ports.tls)
  const local = parsePort('--local-port', options.ports.local)
  const { installation } = await openInstallation({
    stateDir,
    ...(mode === undefined ? {} : { mode }),
    ...(compute === undefined ? {} : { compute }),
    stores: options.storeUrlFile === undefined ? 'sqlite' : 'postgres',
    ports: { ...(tls === undefined ? {} : { tls }), ...(local === undefined ? {} : { local }) },
  })
  const fleetAt = parseFleetAddress(options.fleetAddress)
  const opened: { close(): Promise<void> }[] = []
  const closeAll = async (): Promise<void> => {
    for (const part of opened.toReversed()) await part.close()
  }
  try {
    const { context, firstStart, server } = await startServices({
      installation,
      stateDir,
      cacheDir,
      storeUrlFile: options.storeUrlFile,
      keystoreFile: options.keystoreFile,
      strictImages: options.strictImages ?? false,
      testApi: options.testApi === true ? createTestApi(installation) : undefined,
      bootLimitSeconds: parseSeconds('STRONGROOM_BOOT_LIMIT_SECONDS', options.bootLimitSeconds),
      rates: parseVaultLimits(options.vaultLimits),
      callerLimit: options.callerLimit,
      bindRows: parseSwitch('STRONGROOM_BIND_ROWS', options.bindRows),
      keepVmsOff: parseSwitch('STRONGROOM_KEEP_VMS_OFF', options.keepVmsOff),
      fleetAt,
      fleetStorageFile: options.fleetStorageFile,
      fleetLeaseSeconds: options.fleetLeaseSeconds,
      mapsAzureProviders: parseSwitch('STRONGROOM_MAP_AZURE_PROVIDERS', options.mapAzureProviders),
      inherited: options.inherited,
      restart: options.restart,
      opened,
    })
    return {
      context,
      sockets: server.sockets(),
      ...(firstStart === undefined ? {} : { firstStart }),
      close: async () => {
        await removeServerRecord(stateDir)
        // Before anything that answers requests ends.
        await server.drain()
        await closeAll()
      },
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

async function startServices(o: {
  installation: Installation
  stateDir: string
  cacheDir: string
  storeUrlFile: string | undefined
  keystoreFile: string | undefined
  strictImages: boolean
  testApi: TestApi | undefined
  bootLimitSeconds: number | undefined
  callerLimit: ComposeOptions['callerLimit']
  rates: VaultRates | undefined
  bindRows: boolean
  keepVmsOff: boolean
  fleetAt: FleetAddress | undefined
  fleetStorageFile: string | undefined
  fleetLeaseSeconds: number | undefined
  mapsAzureProviders: boolean
  inherited: Listeners | undefined
  restart: ComposeOptions['restart']
  opened: { close(): Promise<void> }[]
}): Promise<{ context: ServiceContext; firstStart: RunningInstallation['firstStart']; server: RunningServer }> {
  const { installation, stateDir, cacheDir, opened } = o
  const logger = createLogger({ level: 'info', file: join(stateDir, 'server.log') })
  const { testApi } = o
  const clock = testApi?.clock ?? systemClock
  const sealer = createSealer(await openRootKey({ stateDir, installationId: installation.id }))
  const authority = await openAuthority({ stateDir, sealer, clock, tlsClock: systemClock, installation })
  const verifiers = await readVerifiers(stateDir)
  let ownPort = 0
  const wire = createWireClient({ port: () => ownPort, caPem: authority.caPem, verifiers })
  const secrets = {
    orchestrator: { appId: principals.orchestrator.appId, secret: randomBytes(32).toString('base64url') },
    controlPlane: { appId: principals.controlPlane.appId, secret: randomBytes(32).toString('base64url') },
    attestation: { appId: principals.attestation.appId, secret: randomBytes(32).toString('base64url') },
  }
  const base = {
    installation,
    stateDir,
    cacheDir,
    bindRows: o.bindRows,
    storeUrl: await readStoreUrl({ file: o.storeUrlFile, stateDir }),
    sealer,
    clock,
    logger,
    wire,
    tokens: createTokenSource({ wire, clock, tenantId: installation.tenantId, secrets }),
    newId: randomUUID,
    authority,
    verifiers,
  }
  const publicNames = new PublicNames({ installation, stateDir, authority, clock: systemClock, logger })
  const answersAzureNames = (): boolean => publicNames.isOpen()
  const azureNames = { mapsAzureProviders: o.mapsAzureProviders, answersAzureNames }
  const identity = await createIdentityService({
    ...base,
    ownerRoutes: { '/public-names': publicNamesRoute(publicNames), '/restart': restartRoute(o.restart) },
  })
  opened.push(identity)
  const orchestrator = await identity.setPrincipal({ ...principals.orchestrator, secret: secrets.orchestrator.secret })
  const controlPlanePrincipal = await identity.setPrincipal({
    ...principals.controlPlane,
    secret: secrets.controlPlane.secret,
  })
  await identity.setPrincipal({ ...principals.attestation, secret: secrets.attestation.secret })
  const context = { ...base, verifier: identity.verifier } satisfies ServiceContext & { authority: typeof authority }

  const host = await createHostService({
    ...context,
    controlPlaneObjectId: controlPlanePrincipal.objectId,
    keepVmsOff: o.keepVmsOff,
    ...(o.fleetStorageFile !== undefined && { fleetStorage: await readCephConfiguration(resolve(o.fleetStorageFile)) }),
    ...(o.bootLimitSeconds !== undefined && { bootLimitSeconds: o.bootLimitSeconds }),
  })
  opened.push(host)
  const attestation = await createAttestationService({
    ...context,
    anchors: host.anchors,
    collateralUrl: `https://${collateralHost}`,
    ownerObjectId: identity.ownerObjectId,
    attestationKeyAuthorities: [authority.caPem],
    platformCallers: [orchestrator.objectId],
    answersAzureNames,
    ...(o.callerLimit !== undefined && { callerLimit: o.callerLimit }),
  })
  opened.push(attestation)
  const vault = await createVaultService({
    ...context,
    ...(o.keystoreFile ? { keystore: await readKeystoreConfiguration(resolve(o.keystoreFile)) } : {}),
    ...(o.rates !== undefined && { rates: o.rates }),
    ...azureNames,
    firmwareKeys: host.anchors.images ?? [],
    platformAccess: {
      orchestratorObjectId: orchestrator.objectId,
      controlPlaneObjectId: controlPlanePrincipal.objectId,
      ownerObjectId: identity.ownerObjectId,
    },
  })
  opened.push(vault)
  const controlPlane = await createControlPlaneService({
    ...context,
    ...azureNames,
    ownerObjectId: identity.ownerObjectId,
    strictImages: o.strictImages,
    ...(o.fleetAt !== undefined && {
      fleet: {
        address: fleetAddressOf(o.fleetAt),
        authority,
        home: host.home,
        ...(o.fleetLeaseSeconds !== undefined && { leaseSeconds: o.fleetLeaseSeconds }),
      },
    }),
    ...(testApi !== undefined && { faults: testApi.faults }),
  })
  opened.push(controlPlane)

  const services: Service[] = [identity, attestation, vault, host, controlPlane]
  let isReady = false
  const server = await serve({
    ready: () => isReady,
    installation,
    authority,
    hosts: services.flatMap((service) => service.hosts),
    portal: createPortalApp({ logger }),
    figures: async () => await controlPlane.figures(),
    logger,
    inherited: o.inherited,
    ...(testApi !== undefined && { intercept: interceptFaults(testApi.faults) }),
  })
  ;({ ownPort } = server)
  // At the end the host stops its guests while the key service still answers, so that it records their last generation.
  opened.splice(0, opened.length, identity, attestation, vault, server, host, controlPlane)
  // The control plane's operations need the host, which needs the vault and attestation: callees start first.
  for (const service of services) await service.start()
  const { fleetApp, fleetStreams: streams } = controlPlane
  if (o.fleetAt !== undefined && fleetApp !== undefined)
    opened.push(await serveFleet({ at: o.fleetAt, authority, app: fleetApp, logger, ...(streams && { streams }) }))
  opened.push({ close: () => publicNames.stop() })
  await publicNames.resume()
  const { testEvidence: evidence } = host
  if (testApi !== undefined && evidence !== undefined)
    opened.push(await serveTestApi({ api: testApi, controlPlane, evidence, stateDir, logger }))
  await writeAnchors(stateDir, host.anchors)
  await writeServerRecord(stateDir, {
    installation,
    caPath: authority.caPath,
    mapsAzureProviders: o.mapsAzureProviders,
  })
  // Scripts continue with `strongroom env` as soon as /ready answers, so the record must exist.
  isReady = true
  server.open()
  const { firstStart } = identity
  return {
    context,
    server,
    firstStart: firstStart === undefined ? undefined : { ...firstStart, tenantId: installation.tenantId },
  }
}

/** STATE/anchors.json: the roots under which the CLI verifies evidence. */
async function writeAnchors(stateDir: string, anchors: unknown): Promise<void> {
  const path = join(stateDir, 'anchors.json')
  await writeFile(`${path}.partial`, JSON.stringify(anchors, null, 2), { mode: 0o600 })
  await rename(`${path}.partial`, path)
}
