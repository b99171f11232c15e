import { resolve } from 'node:path'
import { apiVersions, ArmClient } from '../client/arm.ts'
import { findServer } from '../client/connection.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'
import { personalSshKey } from '../core/ssh-key.ts'
import { endWithNpm } from '../up/end-with-npm.ts'
import { createProgress, type Progress } from '../up/progress.ts'
import { HeldListeners } from '../up/held-listeners.ts'
import { startServer, stopServer, type RunningServer, type ServerOptions } from '../up/server-process.ts'
import { createVm, defaultAdmin, defaultGroup, referenceImage, sizeFor, vmPath } from '../up/vm-request.ts'
import { buildImage } from './image.ts'
import { portalAddress } from './portal.ts'
import { rememberRequest } from './vm/create.ts'
import { fetchVm } from './vm/resource.ts'
import { judgeTrust } from './vm/trust.ts'
import { ownCommand } from '../core/own-name.ts'

const firstVm = 'first'

/** Creates or starts the VM, and waits until the guest reports ready. */
async function bringUpVm(context: CommandContext, arm: ArmClient, progress: Progress): Promise<void> {
  const path = vmPath(arm, defaultGroup, firstVm)
  const size = sizeFor(textOption(context, 'tee') ?? 'snp')
  const existing = await fetchVm(arm, path).catch((error: unknown) => {
    if (error instanceof CliError && error.exitCode === 4) return undefined
    throw error
  })
  if (existing === undefined) {
    const key = await personalSshKey(context.paths.config)
    const request = {
      name: firstVm,
      group: defaultGroup,
      size,
      encryption: 'DiskWithVMGuestState',
      secureBoot: true,
      image: referenceImage,
      adminUsername: defaultAdmin,
      sshPublicKeys: [key.publicText],
    }
    await createVm(
      arm,
      request,
      progress.onSteps(),
      async () => await rememberRequest(context, await fetchVm(arm, path), request),
    )
    return
  }
  const found = existing.properties.hardwareProfile.vmSize
  if (textOption(context, 'tee') !== undefined && found !== size) {
    throw new CliError({
      code: 'VmHasOtherSize',
      message: `The VM '${firstVm}' exists with another size.`,
      expected: size,
      found,
      remedy: 'Delete it (`strongroom vm delete first --yes`), or use another STRONGROOM_STATE_DIR.',
    })
  }
  await arm.run('POST', `${path}/start`, apiVersions.compute, undefined, progress.onSteps())
}

async function printTrust(context: CommandContext, arm: ArmClient): Promise<void> {
  const path = vmPath(arm, defaultGroup, firstVm)
  const { result, pin } = await judgeTrust(context, { arm, path, name: firstVm })
  await pin()
  const lines = [
    '',
    ...(result.lines ?? []),
    '',
    'What next',
    `  ssh in         ${ownCommand(`vm ssh ${firstVm}`)}`,
    `  verify again   ${ownCommand(`vm trust ${firstVm}`)}`,
    `  see it         ${ownCommand('portal')}`,
    `  stop it        ${ownCommand(`vm stop ${firstVm}`)}`,
    `  a second one   ${ownCommand('vm create second --tee tdx')}`,
    '',
  ]
  for (const line of lines) context.say(line)
}

/**
 * Serves in the foreground until a signal or the server's own end, by one server after the other if their owner wants so.
 * The first signal requests a stop, the second forces it.
 */
async function serveUntilSignal(
  first: RunningServer,
  another: () => Promise<RunningServer>,
  say: (line: string) => void,
): Promise<void> {
  let server = first
  let stopping: Promise<void> | undefined
  const onSignal = (): void => {
    if (stopping === undefined) {
      say('Stopping VMs and services …')
      stopping = stopServer(server)
    } else {
      server.child.kill('SIGKILL')
    }
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  while ((await Promise.race([server.exited, server.restartRequested])) === 'restart' && stopping === undefined) {
    say('Restarting …')
    await stopServer(server)
    server = await another()
    say('Serving.')
    if (stopping !== undefined) stopping = stopServer(server)
  }
  const code = await server.exited
  if (stopping === undefined) {
    say(`The server exited unexpectedly with code ${code}.`)
    process.exitCode = 1
  }
}

/** `up` ends with a boot's trust report, which such an installation never has. */
function refuseVmWithoutGuests(context: CommandContext, compute: string | undefined): void {
  if (compute !== 'simulated' || context.options['vm'] === false) return
  throw new CliError({
    code: 'InvalidArgument',
    message: 'With --compute simulated no guest runs, so there is no boot to report on.',
    expected: '--no-vm --compute simulated',
    remedy: 'Add --no-vm.',
    exitCode: exitCodes.usage,
  })
}

export const upCommand: Command = {
  words: ['up'],
  summary: 'start Strongroom, bring up a confidential VM, print why it is trusted, and serve',
  options: [
    { flags: '--tee <tee>', summary: 'snp or tdx' },
    { flags: '--no-vm', summary: 'start the services only' },
    { flags: '--port <port>', summary: 'TLS port, fixed at creation of the installation' },
    { flags: '--local-port <port>', summary: 'port of the proxy and of health, fixed at creation of the installation' },
    { flags: '--mode <mode>', summary: 'simulated or hardware, fixed at creation of the installation' },
    {
      flags: '--strict-images',
      summary: 'refuse an image that is not registered, instead of substituting the reference image',
    },
    {
      flags: '--test-api',
      summary: 'let `strongroom test` move the clock, inject faults and reset; only in simulated mode',
    },
    {
      flags: '--compute <kind>',
      summary: 'guests, or simulated: VMs change state but no guest runs; fixed at creation of the installation',
    },
    {
      flags: '--fleet-address <address:port>',
      summary: 'address where other machines reach this server to join it as hosts',
    },
    {
      flags: '--fleet-storage <file>',
      summary: 'file that names the Ceph pool with the disks of VMs on joined hosts; default: the state directory',
    },
    {
      flags: '--store-url-file <file>',
      summary: 'file with the URL of the PostgreSQL that keeps the stores; fixed at creation of the installation',
    },
  ],
  examples: [
    'strongroom up',
    'strongroom up --tee tdx',
    'strongroom up --no-vm',
    'strongroom up --no-vm --compute simulated',
  ],
  run: async (context) => {
    endWithNpm()
    const progress = createProgress(context.say, process.stderr.isTTY ? process.stderr : undefined)
    const running = await findServer(context.paths.state)
    if (running !== undefined) {
      throw new CliError({
        code: 'AlreadyRunning',
        message: `A server runs for ${context.paths.state} (pid ${running.pid}).`,
        remedy: 'Use it, or stop it first. A second installation needs its own STRONGROOM_STATE_DIR and --port.',
      })
    }
    const started = progress.step('server')
    const port = textOption(context, 'port')
    const localPort = textOption(context, 'localPort')
    const mode = textOption(context, 'mode')
    const compute = textOption(context, 'compute')
    const fleetAddress = textOption(context, 'fleetAddress')
    const fleetStorage = textOption(context, 'fleetStorage')
    const storeUrlFile = textOption(context, 'storeUrlFile')
    refuseVmWithoutGuests(context, compute)
    const listeners = new HeldListeners()
    const options: ServerOptions = {
      paths: context.paths,
      listeners,
      ...(port === undefined ? {} : { tlsPort: port }),
      ...(localPort === undefined ? {} : { localPort }),
      ...(mode === undefined ? {} : { mode }),
      ...(compute === undefined ? {} : { compute }),
      ...(fleetAddress === undefined ? {} : { fleetAddress }),
      ...(fleetStorage === undefined ? {} : { fleetStorageFile: resolve(fleetStorage) }),
      ...(storeUrlFile === undefined ? {} : { storeUrlFile: resolve(storeUrlFile) }),
      strictImages: context.options['strictImages'] === true,
      testApi: context.options['testApi'] === true,
    }
    const server = await startServer(options)
    started('ready')
    if (context.options['testApi'] === true)
      context.say(
        '           test API: whoever can open STATE/run/test.sock can move the clock, inject faults and reset',
      )
    if (server.firstStart !== undefined) {
      context.say(`           owner: client id ${server.firstStart.ownerAppId}, tenant ${server.firstStart.tenantId}`)
      context.say(
        process.env['STRONGROOM_HIDE_OWNER_SECRET'] === '1'
          ? '           owner secret: not shown, because this output is logged; sign in with `' +
              ownCommand('env --login`')
          : `           owner secret, shown only once: ${server.firstStart.ownerSecret}`,
      )
    }
    const early = new AbortController()
    const onEarlySignal = (): void => early.abort()
    process.once('SIGINT', onEarlySignal)
    process.once('SIGTERM', onEarlySignal)
    const interrupted = new Promise<'interrupted'>((done) =>
      early.signal.addEventListener('abort', () => done('interrupted'), { once: true }),
    )
    try {
      const work = async (): Promise<'up'> => {
        if (context.options['vm'] === false) return 'up'
        const arm = new ArmClient(await context.connect())
        await buildImage(arm, progress)
        await bringUpVm(context, arm, progress)
        await printTrust(context, arm)
        return 'up'
      }
      const outcome = await Promise.race([work(), interrupted])
      if (outcome === 'interrupted') {
        context.say('Stopping VMs and services …')
        await stopServer(server)
        process.exitCode = exitCodes.interrupted
        return undefined
      }
    } catch (error) {
      await stopServer(server)
      throw error
    }
    process.removeListener('SIGINT', onEarlySignal)
    process.removeListener('SIGTERM', onEarlySignal)
    const record = await findServer(context.paths.state)
    if (record !== undefined) context.say(`Portal: ${portalAddress(record)}   signed in: ${ownCommand('portal')}`)
    context.say('Serving. Ctrl-C stops VMs and services.')
    await serveUntilSignal(server, async () => await startServer(options), context.say)
    return undefined
  },
}
